"""Reading config.yaml: everything that is wrong with it is said at once, each with its YAML path."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from django.core.exceptions import ImproperlyConfigured
from pydantic import ValidationError

from stemset.config.schema import RESERVED_PROFILE_NAMES, Config
from stemset.config.strategy import Complain, Node, parse_tree
from stemset.config.yaml_file import parse_yaml

# The lengths of the database's columns.
STRATEGY_NAME_LENGTH = 200
SOURCE_FOLDER_LENGTH = 1024

# Whether it can be one at all: a name alone, or a whole domain, lets nobody in and is not what somebody meant.
ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class ConfigError(ImproperlyConfigured):
    """config.yaml cannot be used; `problems` are (YAML path, what is wrong) pairs."""

    def __init__(self, path: Path, problems: list[tuple[str, str]]) -> None:
        self.problems = problems
        lines = [f"  {where}: {what}" if where else f"  {what}" for where, what in problems]
        super().__init__("\n".join([f"{path} cannot be used:", *lines]))


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
            # A profile that is wrong has been complained about; that no good one is left is not another mistake.
            if detail["loc"] == ("profiles",) and detail["type"] == "too_short" and raw["profiles"]:
                continue
            complain(_yaml_path(detail["loc"]), _sentence(detail))
    _check_profiles(raw, trees, path.parent, complain)
    _check_auth(raw, complain)
    if problems or config is None:
        raise ConfigError(path, problems)
    profiles = tuple(
        profile.model_copy(update={"source_folder": _resolved(profile.source_folder, path.parent)})
        for profile in config.profiles
    )
    return config.model_copy(update={"profiles": profiles})


def _read(path: Path) -> dict[str, Any]:
    try:
        raw, problems = parse_yaml(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(
            path, [("", "there is no such file; set STEMSET_CONFIG or copy the one from the repository")]
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(path, [("", f"cannot be read: {error}")]) from None
    except RecursionError:
        raise ConfigError(path, [("", "cannot be read: it is nested too deeply")]) from None
    if problems:
        raise ConfigError(path, problems)
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


def _parse_strategies(raw: Any, complain: Complain) -> dict[str, Node | None]:
    if not isinstance(raw, dict) or not raw:
        complain("strategies", "must be a mapping of names to trees")
        return {}
    trees: dict[str, Node | None] = {}
    for name, tree in raw.items():
        where = f"strategies.{'null' if name is None else name}"
        parsed = parse_tree(tree, where, complain)
        if not isinstance(name, str) or not name:
            complain(where, "a strategy's name must be text (in quotes, when YAML reads it otherwise)")
            continue
        if len(name) > STRATEGY_NAME_LENGTH:
            complain(where, f"a strategy's name may have at most {STRATEGY_NAME_LENGTH} characters, not {len(name)}")
        trees[name] = parsed
    return trees


def _resolved(source_folder: str, base: Path) -> str:
    """Return the folder's whole path. Raises RuntimeError when ~ has no meaning."""
    return str(base / Path(source_folder).expanduser())


def _check_source_folder(source_folder: str, base: Path, where: str, complain: Complain) -> None:
    try:
        length = len(_resolved(source_folder, base))
    except RuntimeError:
        complain(where, f"there is no home folder for {Path(source_folder).parts[0]!r}")
        return
    if length > SOURCE_FOLDER_LENGTH:
        complain(where, f"its whole path has {length} characters; at most {SOURCE_FOLDER_LENGTH} are possible")


def _check_profiles(raw: dict[str, Any], trees: dict[str, Node | None] | None, base: Path, complain: Complain) -> None:
    """What the schema cannot see: names against names, and folders."""
    profiles = raw.get("profiles")
    if not isinstance(profiles, list):
        return
    seen: set[str] = set()
    for index, profile in enumerate(profiles):
        if not isinstance(profile, dict):
            continue
        name, strategy, source_folder = (profile.get(key) for key in ("name", "strategy", "source_folder"))
        if isinstance(source_folder, str):
            _check_source_folder(source_folder, base, f"profiles[{index}].source_folder", complain)
        if isinstance(name, str):
            if name.lower() in seen:  # folders on some file systems ignore case
                complain(f"profiles[{index}].name", f"the profile {name!r} stands here twice")
            if name.lower() in RESERVED_PROFILE_NAMES:
                complain(f"profiles[{index}].name", f"{name!r} is the name of a folder of the store itself")
            seen.add(name.lower())
        if trees is not None and isinstance(strategy, str) and strategy not in trees:
            known = ", ".join(sorted(trees)) or "none"
            complain(f"profiles[{index}].strategy", f"there is no strategy {strategy!r}; there are: {known}")


def _check_auth(raw: dict[str, Any], complain: Complain) -> None:
    """Addresses must be addresses, and profiles for newcomers must be there."""
    auth, profiles = raw.get("auth"), raw.get("profiles")
    if not isinstance(auth, dict):
        return
    for index, email in enumerate(_texts(auth.get("allowed_emails"))):
        if email and not ADDRESS.fullmatch(email.strip()):
            complain(f"auth.allowed_emails[{index}]", f"{email!r} is not an e-mail address")
    if not isinstance(profiles, list):
        return
    names = [profile.get("name") for profile in profiles if isinstance(profile, dict)]
    for index, name in enumerate(_texts(auth.get("first_login_profiles"))):
        if name and name not in names:
            known = ", ".join(str(name) for name in names) or "none"
            complain(f"auth.first_login_profiles[{index}]", f"there is no profile {name!r}; there are: {known}")


def _texts(value: Any) -> list[str]:
    """Return the entries of a list, with those that are no text as "": of them the schema speaks."""
    return [entry if isinstance(entry, str) else "" for entry in value] if isinstance(value, list) else []


def _yaml_path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) and path else f".{part}" if path else str(part)
    return path


# pydantic's types of errors, in the words of people who write YAML.
SENTENCES = {
    "extra_forbidden": "is not a known option",
    "missing": "is missing",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "invalid_key": "is not a known option: names of options are text",
    "string_type": "must be text (in quotes, when YAML reads it otherwise)",
    "string_too_short": "must not be empty",
    "too_short": "must have at least one entry",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
}


def _sentence(detail: Any) -> str:
    if detail["type"] in SENTENCES:
        return SENTENCES[detail["type"]]
    if detail["type"] == "string_pattern_mismatch":
        return (
            f"{detail['input']!r} may have only letters, digits, - and _, at most 64, and starts with a letter or digit"
        )
    message: str = detail["msg"].replace("Input should be", "must be")
    return message[:1].lower() + message[1:]
