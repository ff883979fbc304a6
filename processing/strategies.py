"""Judging strategy trees against the engines, before any work is spent on them."""

from processing.errors import ModelError
from processing.separators import get_separator, model_outputs, output_meant
from stemset.config.strategy import Node


def tree_problems(tree: Node, path: str) -> list[tuple[str, str]]:
    """Return what is wrong with a tree as (YAML path, sentence): unknown models, outputs a model does not have.

    Needs no engine to be installed.
    """
    problems: list[tuple[str, str]] = []
    for where, node in tree.nodes(path):
        try:
            outputs = model_outputs(node.model)
        except ModelError as error:
            problems.append((where, str(error)))
            continue
        meant = {key: output_meant(node.model, key) for key in node.outputs}
        problems.extend(
            (f"{where}.{key}", f"{node.model} has no output {key!r}; it has: {', '.join(outputs)}")
            for key, output in meant.items()
            if output is None
        )
        if len(set(meant.values())) < len(meant) and None not in meant.values():
            problems.append((where, "two keys mean the same output"))
    return problems


def require_sound(tree: Node, path: str) -> None:
    """Raise ModelError unless every model of the tree exists and has the outputs that the tree asks for."""
    problems = tree_problems(tree, path)
    if problems:
        raise ModelError("\n".join(f"{where}: {what}" for where, what in problems), code="strategy")


def require_ready(tree: Node) -> None:
    """Raise ModelError unless every model of a sound tree can run on this machine now."""
    for _where, node in tree.nodes(""):
        get_separator(node.model).check()


def versions(tree: Node) -> dict[str, str]:
    """Return the version of every model of a tree: what a recording remembers of what made it."""
    return {node.model: get_separator(node.model).version for _where, node in tree.nodes("")}
