"""Strategy trees as config.yaml writes them: "_" names the model, the other keys are its outputs.

Only the shape is judged here. Whether a model exists and really has those outputs is asked in processing.strategies,
which knows the engines.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

MODEL_KEY = "_"
# Stem names become file names.
STEM_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

# Called with a YAML path and what is wrong there.
Complain = Callable[[str, str], None]


@dataclass(frozen=True)
class Node:
    """A model and what becomes of its outputs: each is a final stem's name or the input of another model."""

    model: str
    outputs: dict[str, "str | Node"]

    def stems(self) -> list[str]:
        """Return the names of the final stems, in the order of the file."""
        return [
            name
            for target in self.outputs.values()
            for name in (target.stems() if isinstance(target, Node) else [target])
        ]

    def nodes(self, path: str) -> Iterator[tuple[str, "Node"]]:
        """Yield every node with its YAML path, parents first."""
        yield path, self
        for output, target in self.outputs.items():
            if isinstance(target, Node):
                yield from target.nodes(f"{path}.{output}")


def parse_tree(raw: Any, path: str, complain: Complain) -> Node | None:
    """Return the tree, or None after having complained about everything wrong with it."""
    node = _parse_node(raw, path, complain)
    if node is not None:
        seen: set[str] = set()
        for stem in node.stems():
            # Compared without case, because some file systems do not tell Vocals.opus from vocals.opus.
            if stem.lower() in seen:
                complain(path, f"two outputs become the stem {stem!r}; every final stem needs its own name")
            seen.add(stem.lower())
    return node


def _parse_node(raw: Any, path: str, complain: Complain) -> Node | None:
    if not isinstance(raw, dict) or not raw:
        complain(path, f'must be a tree: "{MODEL_KEY}" naming a model, and the outputs to keep')
        return None
    model = raw.get(MODEL_KEY)
    if not isinstance(model, str) or not model:
        complain(path, f'"{MODEL_KEY}" must name a model')
    outputs: dict[str, str | Node] = {}
    for key, target in raw.items():
        where = f"{path}.{key}"
        if key == MODEL_KEY:
            continue
        if isinstance(target, dict):
            subtree = _parse_node(target, where, complain)
            if subtree is not None:
                outputs[str(key)] = subtree
        elif isinstance(target, str) and STEM_NAME.fullmatch(target):
            outputs[str(key)] = target
        else:
            complain(where, f"must be a stem's name (letters, digits, - and _) or a subtree, not {target!r}")
    if not outputs:
        complain(path, "keeps no output")
    if not isinstance(model, str) or not model or not outputs:
        return None
    return Node(model, outputs)
