"""YAML as config.yaml has it: plain data, and what PyYAML lets pass or fails on without saying where."""

from collections.abc import Iterator
from typing import Any

import yaml

MERGE = "tag:yaml.org,2002:merge"


def parse_yaml(text: str) -> tuple[Any, list[tuple[str, str]]]:
    """Return the document's data, or None and (YAML path, what is wrong) pairs.

    Raises yaml.YAMLError for what is not YAML.
    """
    loader = yaml.SafeLoader(text)
    try:
        document = loader.get_single_node()
        if document is None:
            return None, []
        problems = list(_Judge(loader).problems(document, ""))
        return (None, problems) if problems else (loader.construct_document(document), [])
    finally:
        loader.dispose()


class _Judge:
    """Walks the nodes, before they are made into data, where their paths and both of two equal keys are still known.

    Merge keys (`<<`) are not followed: what they bring in may be overridden, and is judged where it stands.
    """

    def __init__(self, loader: yaml.SafeLoader) -> None:
        self._loader = loader
        self._begun: set[yaml.Node] = set()
        self._done: set[yaml.Node] = set()

    def problems(self, node: yaml.Node, path: str) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with a node and everything in it."""
        if node in self._done:  # an alias of what has been judged
            return
        if node in self._begun:
            yield path, "is an alias (*) of something that it is itself a part of"
            return
        self._begun.add(node)
        if isinstance(node, yaml.ScalarNode):
            yield from self._scalar(node, path)
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                yield from self.problems(item, f"{path}[{index}]")
        elif isinstance(node, yaml.MappingNode):
            yield from self._mapping(node, path)
        self._done.add(node)

    def _scalar(self, node: yaml.ScalarNode, path: str) -> Iterator[tuple[str, str]]:
        try:
            self._loader.construct_object(node)
        except yaml.YAMLError:
            raise
        except (ValueError, ArithmeticError, LookupError, AttributeError):  # PyYAML's own, for 2026-13-45 or 0x_
            kind = node.tag.rpartition(":")[2]
            yield path, f"{node.value!r} looks like YAML's {kind}, but is none; put it in quotes if it is text"

    def _mapping(self, node: yaml.MappingNode, path: str) -> Iterator[tuple[str, str]]:
        seen: set[tuple[str, str]] = set()
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else "?"
            where = f"{path}.{name}" if path else name
            if key.tag != MERGE:
                yield from self.problems(key, where)
                if isinstance(key, yaml.ScalarNode):
                    if (key.tag, name) in seen:
                        yield where, f"the key {name!r} stands here twice"
                    seen.add((key.tag, name))
            yield from self.problems(value, where)
