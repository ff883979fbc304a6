"""Judging strategy trees against the engines, before any work is spent on them."""

from processing.errors import ModelError
from processing.separators import get_separator, model_outputs
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
        problems.extend(
            (f"{where}.{output}", f"{node.model} has no output {output!r}; it has: {', '.join(outputs)}")
            for output in node.outputs
            if output not in outputs
        )
    return problems


def require_usable(tree: Node, path: str) -> None:
    """Raise ModelError unless every model of the tree exists, has the outputs and can run on this machine now."""
    problems = tree_problems(tree, path)
    if problems:
        raise ModelError("\n".join(f"{where}: {what}" for where, what in problems), code="strategy")
    for _where, node in tree.nodes(path):
        get_separator(node.model).check()


def versions(tree: Node) -> dict[str, str]:
    """Return the version of every model of a tree: what a recording remembers of what made it."""
    return {node.model: get_separator(node.model).version for _where, node in tree.nodes("")}
