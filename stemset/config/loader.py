"""Reading config.yaml: everything that is wrong with it is said at once, each with its YAML path."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from django.core.exceptions import ImproperlyConfigured
from pydantic import ValidationError

from stemset.config.schema import RESERVED_PROFILE_NAMES, Config
from stemset.config.strategy import Node, parse_tree

VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class ConfigError(ImproperlyConfigured):
    """config.yaml cannot be used; `problems` are (YAML path, what is wrong) pairs."""

    def __init__(self, path: Path, problems: list[tuple[str, str]]) -> None:
        self.problems = problems
        lines = [f"  {where}: {what}" if where else f"  {what}" for where, what in problems]
        super().__init__("\n".join([f"{path} cannot be used:", *lines]))


class _Loader(yaml.SafeLoader):
    """PyYAML keeps the last of two equal keys without a word; here the second one is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _value in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str) and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands here twice", key_node.start_mark
                )
            if isinstance(key, str):
                seen.add(key)
        return super().construct_mapping(node, deep)


def load_config(path: Path, environment: Mapping[str, str]) -> Config:
    """Read, complete from the environment and validate the file.

    Relative source folders are relative to the file. Raises ConfigError with every problem found.
    """
    raw = _read(path)
    missing: dict[str, None] = {}
    raw = _substitute(raw, environment, missing)
    problems: list[tuple[str, str]] = []
    if missing:
        problems.append(("", f"these environment variables are not set: {', '.join(missing)}"))

    def complain(where: str, what: str) -> None:
        problems.append((where, what))

    trees = _parse_strategies(raw.get("strategies"), complain) if "strategies" in raw else None
    config = None
    try:
        # A tree that did not parse has been complained about; without it the rest can be judged too.
        good_trees = {name: tree for name, tree in (trees or {}).items() if tree is not None}
        config = Config.model_validate(raw if trees is None else {**raw, "strategies": good_trees})
    except ValidationError as error:
        for detail in error.errors():
            complain(_yaml_path(detail["loc"]), _sentence(detail))
    _check_profiles(raw, trees, complain)
    if problems or config is None:
        raise ConfigError(path, problems)
    profiles = tuple(
        profile.model_copy(update={"source_folder": str(path.parent / Path(profile.source_folder).expanduser())})
        for profile in config.profiles
    )
    return config.model_copy(update={"profiles": profiles})


def _read(path: Path) -> dict[str, Any]:
    try:
        raw = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_Loader)  # noqa: S506  # a SafeLoader
    except FileNotFoundError:
        raise ConfigError(
            path, [("", "there is no such file; set STEMSET_CONFIG or copy the one from the repository")]
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(path, [("", f"cannot be read: {error}")]) from None
    if not isinstance(raw, dict):
        raise ConfigError(path, [("", "must be a mapping with `strategies` and `profiles`")])
    return raw


def _substitute(value: Any, environment: Mapping[str, str], missing: dict[str, None]) -> Any:
    """Replace every ${NAME} after parsing, so that a value with YAML characters in it cannot change the structure."""
    if isinstance(value, dict):
        return {key: _substitute(item, environment, missing) for key, item in value.items()}
    if isinstance(value, list):
        return [_substitute(item, environment, missing) for item in value]
    if not isinstance(value, str):
        return value

    def replacement(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in environment:
            missing[name] = None
            return match.group(0)
        return environment[name]

    return VARIABLE.sub(replacement, value)


def _parse_strategies(raw: Any, complain: Any) -> dict[str, Node | None]:
    if not isinstance(raw, dict) or not raw:
        complain("strategies", "must be a mapping of names to trees")
        return {}
    return {str(name): parse_tree(tree, f"strategies.{name}", complain) for name, tree in raw.items()}


def _check_profiles(raw: dict[str, Any], trees: dict[str, Node | None] | None, complain: Any) -> None:
    """What the schema cannot see: names against names."""
    profiles = raw.get("profiles")
    if not isinstance(profiles, list):
        return
    seen: set[str] = set()
    for index, profile in enumerate(profiles):
        if not isinstance(profile, dict):
            continue
        name, strategy = profile.get("name"), profile.get("strategy")
        if isinstance(name, str):
            if name.lower() in seen:  # folders on some file systems ignore case
                complain(f"profiles[{index}].name", f"the profile {name!r} stands here twice")
            if name.lower() in RESERVED_PROFILE_NAMES:
                complain(f"profiles[{index}].name", f"{name!r} is the name of a folder of the store itself")
            seen.add(name.lower())
        if trees is not None and isinstance(strategy, str) and strategy not in trees:
            known = ", ".join(sorted(trees)) or "none"
            complain(f"profiles[{index}].strategy", f"there is no strategy {strategy!r}; there are: {known}")


def _yaml_path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _sentence(detail: Any) -> str:
    if detail["type"] == "extra_forbidden":
        return "is not a known option"
    if detail["type"] == "missing":
        return "is missing"
    if detail["type"] == "string_pattern_mismatch":
        return (
            f"{detail['input']!r} may have only letters, digits, - and _, at most 64, and starts with a letter or digit"
        )
    message: str = detail["msg"]
    return message[:1].lower() + message[1:]
