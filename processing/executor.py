"""Walking a strategy tree: every model gets the output of the one above it."""

import shutil
from pathlib import Path

import soundfile

from processing.audio import Progress
from processing.errors import ProcessingError
from processing.separators import get_separator, output_meant
from stemset.config.strategy import Node


def separate(tree: Node, source: Path, folder: Path, progress: Progress) -> dict[str, Path]:
    """Split a recording as a tree says.

    source   float32 stereo WAV at 44.1 kHz
    folder   an existing folder for the stems and the intermediates; the caller removes it in every outcome

    Returns the lossless file of every final stem; all have the source's length. What no later step needs is
    deleted as soon as that is known. Raises ProcessingError.
    """
    total = sum(1 for _node in tree.nodes(""))
    done = 0

    def walk(node: Node, source: Path, folder: Path) -> dict[str, Path]:
        nonlocal done
        folder.mkdir()
        made = get_separator(node.model).separate(source, folder, lambda part: progress((done + part) / total))
        done += 1
        stems: dict[str, Path] = {}
        targets = {output_meant(node.model, key): target for key, target in node.outputs.items()}
        for output, path in made.items():
            target = targets.get(output)
            if isinstance(target, Node):
                stems |= walk(target, path, folder / f"{output}.tree")
            if isinstance(target, str):
                stems[target] = path
            else:
                path.unlink()
        return stems

    stems = walk(tree, source, folder / "stems")
    _require_equal_length(source, stems)
    # Models may give their outputs in any order; people see the tree's.
    return {stem: stems[stem] for stem in tree.stems()}


def _require_equal_length(source: Path, stems: dict[str, Path]) -> None:
    frames = soundfile.info(str(source)).frames
    for stem, path in stems.items():
        made = soundfile.info(str(path)).frames
        if made != frames:
            raise ProcessingError(
                f"The engine made {made} samples of {stem} from {frames}; stems of another length would drift apart.",
                code="length",
            )


def free_bytes_needed(tree: Node, source: Path) -> int:
    """Return how much room the stems and intermediates of this source take at most, in bytes."""
    files = sum(len(node.outputs) for _where, node in tree.nodes(""))
    return source.stat().st_size * (files + 1)


def require_room(tree: Node, source: Path, folder: Path) -> None:
    """Raise ProcessingError when the disk under `folder` cannot hold what separating `source` makes."""
    needed, free = free_bytes_needed(tree, source), shutil.disk_usage(folder).free
    if needed > free:
        raise ProcessingError(
            f"Separating this recording needs {needed / 1e9:.1f} GB of room in {folder}; "
            f"{free / 1e9:.1f} GB are free. "
            "Make room, or point STEMSET_WORK_DIR at a larger disk.",
            code="disk_full",
        )
