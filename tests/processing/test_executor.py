"""Walking strategy trees: subtrees are fed, intermediates go, stems stay in sync."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from processing import executor
from processing.audio import SAMPLE_RATE, no_progress
from processing.errors import ProcessingError
from processing.strategies import tree_problems
from stemset.config.strategy import Node
from tests.band import chord

NESTED = Node(
    "dsp:lowband",
    {
        "bass": "bass",
        "rest": Node("dsp:hpss", {"harmonic": Node("dsp:lowband", {"rest": "other"}), "percussive": "drums"}),
    },
)


@pytest.fixture
def source(tmp_path) -> Path:
    path = tmp_path / "source.wav"
    soundfile.write(path, chord(2), SAMPLE_RATE, "FLOAT")
    return path


@pytest.fixture
def folder(tmp_path) -> Path:
    path = tmp_path / "work"
    path.mkdir()
    return path


def read(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="float32")[0]


def test_subtrees_are_fed_and_only_stems_stay(source, folder):
    stems = executor.separate(NESTED, source, folder, no_progress)
    assert list(stems) == ["bass", "other", "drums"]
    assert {path for path in folder.rglob("*") if path.is_file()} == set(stems.values())
    assert {len(read(path)) for path in stems.values()} == {2 * SAMPLE_RATE}
    assert source.exists()


def test_a_whole_tree_sums_to_its_source_losslessly(source, folder):
    tree = Node("dsp:lowband", {"bass": "bass", "rest": Node("dsp:hpss", {"harmonic": "other", "percussive": "drums"})})
    stems = executor.separate(tree, source, folder, no_progress)
    assert abs(sum(read(path) for path in stems.values()) - chord(2)).max() < 1e-5


def test_progress_rises_over_the_whole_tree(source, folder):
    seen = []
    executor.separate(NESTED, source, folder, seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1)
    assert any(0.3 < fraction < 0.7 for fraction in seen)


def test_what_progress_raises_passes_through(source, folder):
    def cancel(fraction: float) -> None:
        if fraction > 0.4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        executor.separate(NESTED, source, folder, cancel)


class Engine:
    """A stand-in whose stems are made by a function of the mix."""

    name = version = "stand-in"

    def __init__(self, **makers) -> None:
        self.outputs = tuple(makers)
        self.makers = makers
        self.aliases = {"not_vocals": "other"}

    def separate(self, source, destination, progress):
        made = {}
        for output, maker in self.makers.items():
            made[output] = destination / f"{output}.wav"
            soundfile.write(made[output], maker(read(source)), SAMPLE_RATE, "FLOAT")
        return made


def test_an_engine_that_makes_stems_of_another_length_is_caught(source, folder, monkeypatch):
    monkeypatch.setattr(
        executor, "get_separator", lambda _name: Engine(bass=lambda mix: mix, rest=lambda mix: mix[:-1])
    )
    with pytest.raises(ProcessingError, match="drift apart") as caught:
        executor.separate(Node("dsp:lowband", {"bass": "bass", "rest": "other"}), source, folder, no_progress)
    assert caught.value.code == "length"


def test_outputs_under_their_old_names(source, folder, monkeypatch):
    engine = Engine(vocals=lambda mix: mix * 0.5, other=lambda mix: mix * 0.25)
    tree = Node("vocals_mel_band_roformer.ckpt", {"vocals": "vocals", "not_vocals": "backing"})
    assert tree_problems(tree, "strategies.s") == []
    monkeypatch.setattr(executor, "get_separator", lambda _name: engine)
    stems = executor.separate(tree, source, folder, no_progress)
    assert abs(read(stems["backing"]) - chord(2) * 0.25).max() < 1e-6


def test_two_keys_for_one_output_are_refused():
    tree = Node("vocals_mel_band_roformer.ckpt", {"other": "a", "not_vocals": "b"})
    assert tree_problems(tree, "strategies.s") == [("strategies.s", "two keys mean the same output")]


def test_room_is_asked_for_before_work(source, folder, monkeypatch):
    executor.require_room(NESTED, source, folder)
    monkeypatch.setattr(executor.shutil, "disk_usage", lambda _folder: type("Usage", (), {"free": 1000}))
    with pytest.raises(ProcessingError, match="STEMSET_WORK_DIR") as caught:
        executor.require_room(NESTED, source, folder)
    assert caught.value.code == "disk_full"
