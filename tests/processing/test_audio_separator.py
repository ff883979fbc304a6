"""The neural engine without the library: what is known of its models, and how its process is kept in hand.

A stand-in for the library takes its place in the child process; the real one is tested in tests/neural.
"""

import ast
import itertools
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile

from processing.errors import AudioError, ModelError, ProcessingError
from processing.separators import audio_separator, audio_separator_worker
from processing.separators.audio_separator import AudioSeparatorEngine, Model

RATE = 44_100
LISTED = {
    "Kim_Vocal_2.onnx": {"stems": ["vocals", "instrumental"], "target_stem": "vocals"},
    "UVR-DeNoise.pth": {"stems": ["noise", "no noise"], "target_stem": "noise"},
    "htdemucs_6s.yaml": {"stems": ["vocals", "drums", "bass", "guitar", "piano", "other"], "target_stem": None},
    "duality.ckpt": {"stems": ["vocals", "instrumental"], "target_stem": None},
    "secretive.ckpt": {"stems": [], "target_stem": None},
}


@pytest.fixture
def not_installed(monkeypatch, tmp_path):
    """No library in this environment nor beside manage.py."""
    monkeypatch.delenv("STEMSET_NEURAL_PYTHON", raising=False)
    monkeypatch.setattr(audio_separator, "PROJECT", tmp_path)
    monkeypatch.setattr(audio_separator.importlib.util, "find_spec", lambda _name: None)


@pytest.fixture
def python(tmp_path):
    """Return an interpreter that has the stand-in installed as audio-separator 0.47.9."""
    site = tmp_path / "site"
    package = site / "audio_separator" / "separator"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("raise AssertionError('imported to look something up')\n")
    (package.parent / "models-scores.json").write_text(json.dumps(LISTED))
    shutil.copy(Path(__file__).with_name("fake_audio_separator.py"), package / "__init__.py")
    (site / "audio_separator-0.47.9.dist-info").mkdir()
    (site / "audio_separator-0.47.9.dist-info" / "METADATA").write_text("Name: audio-separator\nVersion: 0.47.9\n")
    launcher = tmp_path / "python"
    launcher.write_text(f'#!/bin/sh\nPYTHONPATH={site} exec {sys.executable} "$@"\n')
    launcher.chmod(0o755)
    return launcher


@pytest.fixture
def installed(python, monkeypatch, settings, tmp_path):
    """The stand-in is what STEMSET_NEURAL_PYTHON names, and may be imported."""
    (tmp_path / "site" / "audio_separator" / "__init__.py").write_text("")
    monkeypatch.setenv("STEMSET_NEURAL_PYTHON", str(python))
    settings.STEMSET_MODEL_CACHE_DIR = str(tmp_path / "models")
    (tmp_path / "models" / "audio-separator").mkdir(parents=True)


@pytest.fixture
def destination(tmp_path):
    folder = tmp_path / "stems"
    folder.mkdir()
    return folder


def write(path: Path, mix: np.ndarray) -> Path:
    soundfile.write(path, mix, RATE, subtype="FLOAT")
    return path


def noise(frames: int, level: float = 0.1) -> np.ndarray:
    return (level * np.random.default_rng(frames).standard_normal((frames, 2))).astype(np.float32)


@pytest.fixture
def source(tmp_path):
    return write(tmp_path / "mix.wav", noise(RATE))


def engine(model: str, *outputs: str, residual: str | None = None) -> AudioSeparatorEngine:
    return AudioSeparatorEngine(model, Model(f"{model}.onnx", outputs or ("vocals", "instrumental"), residual))


def read(stems: dict[str, Path]) -> dict[str, np.ndarray]:
    return {name: soundfile.read(path, dtype="float32")[0] for name, path in stems.items()}


def quiet(_fraction: float) -> None:
    """Report to nobody."""


# What is known of a model


@pytest.mark.parametrize(
    ("name", "outputs"),
    [
        ("htdemucs_ft", ("vocals", "drums", "bass", "other")),
        ("htdemucs_ft.yaml", ("vocals", "drums", "bass", "other")),
        ("hdemucs_mmi", ("vocals", "drums", "bass", "other")),
        ("vocals_mel_band_roformer.ckpt", ("vocals", "other")),
        ("kuielab_b_drums.onnx", ("drums", "not_drums")),
        ("kuielab_a_bass.onnx", ("bass", "not_bass")),
    ],
)
def test_the_models_of_existing_configurations_are_known_without_the_library(not_installed, name, outputs):
    separator = audio_separator.load(name)
    assert (separator.name, separator.outputs) == (name, outputs)
    assert separator.version == "audio-separator not installed, 1"


def test_the_rest_of_a_two_stem_model_goes_by_several_names(not_installed):
    assert audio_separator.load("vocals_mel_band_roformer.ckpt").aliases == {
        "instrumental": "other",
        "not_vocals": "other",
    }
    assert audio_separator.load("kuielab_b_drums.onnx").aliases == {"other": "not_drums"}
    assert audio_separator.load("htdemucs_ft").aliases == {}


def test_checking_a_model_tells_how_to_install_the_library(not_installed):
    with pytest.raises(ModelError, match="htdemucs_ft needs the library") as caught:
        audio_separator.load("htdemucs_ft").check()
    assert (
        "python -m venv .venv-neural && .venv-neural/bin/pip install --require-hashes -r requirements/neural.txt"
    ) in str(caught.value)


def test_separating_without_the_library_tells_the_same(not_installed, source, destination):
    with pytest.raises(ModelError, match=re.escape("--require-hashes -r requirements/neural.txt")):
        audio_separator.load("htdemucs_ft").separate(source, destination, quiet)
    assert list(destination.iterdir()) == []


def test_an_unknown_model_without_the_library_names_the_known_ones(not_installed):
    with pytest.raises(ModelError, match=r"'Kim_Vocal_2\.onnx'") as caught:
        audio_separator.load("Kim_Vocal_2.onnx")
    assert caught.value.code == "model_unknown"
    for name in audio_separator.MODELS:
        assert name in str(caught.value)


def test_an_interpreter_that_is_not_there_counts_as_not_installed(monkeypatch):
    monkeypatch.setenv("STEMSET_NEURAL_PYTHON", "/nowhere/python")
    with pytest.raises(ModelError, match="not installed in /nowhere/python") as caught:
        audio_separator.load("htdemucs_ft").check()
    assert caught.value.code == "model_not_installed"


def test_the_environment_beside_manage_py_is_found(not_installed, python, tmp_path):
    venv = tmp_path / ".venv-neural" / "bin"
    venv.mkdir(parents=True)
    assert audio_separator.find_environment() is None
    (venv / "python").symlink_to(python)
    found = audio_separator.find_environment()
    assert found is not None
    assert (found.python, found.version) == (str(venv / "python"), "0.47.9")


def test_a_relative_interpreter_is_found_from_any_folder(python, monkeypatch):
    monkeypatch.chdir(python.parent)
    monkeypatch.setenv("STEMSET_NEURAL_PYTHON", "./python")
    found = audio_separator.find_environment()
    assert found is not None
    assert found.python == str(python)


def test_other_models_are_looked_up_in_the_library_without_importing_it(python, monkeypatch):
    monkeypatch.setenv("STEMSET_NEURAL_PYTHON", str(python))
    assert audio_separator.load("htdemucs_6s").outputs == ("vocals", "drums", "bass", "guitar", "piano", "other")
    separator = audio_separator.load("UVR-DeNoise.pth")
    assert separator.outputs == ("noise", "not_noise")
    assert separator.version == "audio-separator 0.47.9, 1"
    separator.check()


@pytest.mark.parametrize(
    ("name", "residual"),
    [
        ("Kim_Vocal_2.onnx", "instrumental"),
        ("UVR-DeNoise.pth", "not_noise"),
        ("htdemucs_6s.yaml", "other"),
        ("duality.ckpt", None),  # it has two targets, neither is the rest of the other
    ],
)
def test_the_stem_that_stands_for_the_rest(python, monkeypatch, name, residual):
    monkeypatch.setenv("STEMSET_NEURAL_PYTHON", str(python))
    assert audio_separator.find_model(name).residual == residual


@pytest.mark.parametrize("name", ["kim_vocals.onnx", "secretive.ckpt"])
def test_an_unknown_model_names_similar_ones_of_the_library(python, monkeypatch, name):
    monkeypatch.setenv("STEMSET_NEURAL_PYTHON", str(python))
    with pytest.raises(ModelError, match=re.escape(f"'{name}'")) as caught:
        audio_separator.load(name)
    if name == "kim_vocals.onnx":
        assert "Kim_Vocal_2.onnx" in str(caught.value)


# What the child makes of a file


@pytest.mark.parametrize("frames", [0, 1, 1000, RATE + 1, 130 * RATE + 17])
def test_every_stem_is_as_long_as_the_source_and_they_sum_to_it(installed, tmp_path, destination, frames):
    mix = noise(frames)
    told: list[float] = []
    stems = engine("Vocals=0.3,Instrumental=0.6", residual="instrumental").separate(
        write(tmp_path / "mix.wav", mix), destination, told.append
    )
    assert list(stems) == ["vocals", "instrumental"]
    assert sorted(destination.iterdir()) == sorted(stems.values())
    made = read(stems)
    assert {len(stem) for stem in made.values()} == {frames}
    np.testing.assert_allclose(made["vocals"], 0.3 * mix, atol=1e-6)
    np.testing.assert_allclose(made["vocals"] + made["instrumental"], mix, atol=1e-6)
    assert told == sorted(told)
    assert frames == 0 or told[-1] == 1


def test_a_network_is_shown_a_peak_of_one_and_the_gain_is_undone(installed, tmp_path, destination):
    mix = noise(RATE, level=1e-4)
    stems = engine("Vocals=peak,Instrumental=0.5").separate(write(tmp_path / "quiet.wav", mix), destination, quiet)
    made = read(stems)
    np.testing.assert_allclose(made["vocals"], np.abs(mix).max(), rtol=1e-6)  # it saw 1, scaled back
    np.testing.assert_allclose(made["instrumental"], 0.5 * mix, atol=1e-9)


def test_silence_stays_silence(installed, tmp_path, destination):
    stems = engine("Vocals=nan,Instrumental=nan").separate(
        write(tmp_path / "silence.wav", np.zeros((RATE, 2), np.float32)), destination, quiet
    )
    assert all(len(stem) == RATE and not stem.any() for stem in read(stems).values())


def test_damaged_samples_are_taken_for_silence(installed, tmp_path, destination):
    mix = noise(RATE)
    clean = mix.copy()
    mix[100], mix[200], mix[300] = np.nan, np.inf, 1e30
    clean[[100, 200, 300]] = 0
    stems = engine("Vocals=0.5,Instrumental=0.5").separate(write(tmp_path / "mix.wav", mix), destination, quiet)
    np.testing.assert_allclose(read(stems)["vocals"], 0.5 * clean, atol=1e-6)


def test_a_stem_some_frames_short_is_padded(installed, source, destination):
    stems = engine("Vocals=nearly", residual="instrumental").separate(source, destination, quiet)
    made, mix = read(stems), soundfile.read(source, dtype="float32")[0]
    assert not made["vocals"][-700:].any()
    np.testing.assert_allclose(made["vocals"] + made["instrumental"], mix, atol=1e-6)


def test_the_same_file_gives_the_same_stems(installed, source, tmp_path):
    made = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        made.append(read(engine("Vocals=random,Instrumental=0.1").separate(source, tmp_path / name, quiet)))
    np.testing.assert_array_equal(made[0]["vocals"], made[1]["vocals"])


def test_the_second_stem_may_have_another_name(installed, source, destination):
    stems = engine("No Drums=0.5,Drums=0.5", "drums", "other").separate(source, destination, quiet)
    assert list(stems) == ["drums", "other"]


# What goes wrong


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("silent", "made no stems"),
        ("raising", "RuntimeError: out of luck"),
        ("killed", "SIGKILL; did the machine run out of memory"),
        ("exiting", "ended with status 7"),
        ("Vocals=short,Instrumental=0.5", "14700 samples instead of 44100"),
        ("Vocals=nan,Instrumental=0.5", "no numbers"),
        ("Vocals=mono,Instrumental=0.5", "shape"),
        ("Vocals=0.5,Bass=0.1,Drums=0.1", "instead of"),
    ],
)
def test_a_failed_separation_is_an_error_with_the_end_of_the_log(installed, source, destination, model, message):
    with pytest.raises(ProcessingError, match=message) as caught:
        engine(model).separate(source, destination, quiet)
    assert (caught.value.code, type(caught.value)) == ("separation", ProcessingError)
    assert "LAST WORDS of the log" in str(caught.value)
    assert "says the library on standard output" in str(caught.value)
    assert list(destination.iterdir()) == []


@pytest.mark.parametrize(
    ("model", "message"),
    [("damaged", "damaged or incomplete"), ("unreachable", "the line is dead")],
)
def test_a_model_that_cannot_be_loaded_is_a_model_error(installed, source, destination, model, message):
    with pytest.raises(ModelError, match=message):
        engine(model).separate(source, destination, quiet)
    assert list(destination.iterdir()) == []


def test_an_interrupted_download_is_not_taken_for_the_model(installed, source, destination, settings):
    with pytest.raises(ModelError):
        engine("unreachable").separate(source, destination, quiet)
    assert list((Path(settings.STEMSET_MODEL_CACHE_DIR) / "audio-separator").iterdir()) == []


def test_a_library_that_cannot_be_imported_is_a_model_error(installed, source, destination, tmp_path):
    (tmp_path / "site" / "audio_separator" / "__init__.py").write_text("import no_such_package\n")
    with pytest.raises(ModelError, match=r"install it again: No module named 'no_such_package'"):
        engine("Vocals=0.5,Instrumental=0.5").separate(source, destination, quiet)


def test_a_source_that_is_no_audio_is_an_audio_error(installed, tmp_path, destination):
    (tmp_path / "mix.wav").write_text("no audio")
    with pytest.raises(AudioError):
        engine("Vocals=0.5,Instrumental=0.5").separate(tmp_path / "mix.wav", destination, quiet)


def test_the_child_is_given_no_secrets(installed, source, destination, monkeypatch):
    monkeypatch.setenv("JWT_SECRET", "s3cret")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    with pytest.raises(ProcessingError) as caught:
        engine("environment").separate(source, destination, quiet)
    assert "'PATH'" in str(caught.value)
    assert "'CUDA_VISIBLE_DEVICES'" in str(caught.value)
    assert "JWT_SECRET" not in str(caught.value)


# Who ends it


class CancelledError(Exception):
    """What a job raises in progress when it is cancelled."""


def test_a_raising_progress_ends_a_hanging_child_and_leaves_nothing(installed, source, destination):
    def cancel(_fraction: float) -> None:
        children.update(set(psutil.Process().children()) - others)
        raise CancelledError

    others = set(psutil.Process().children())  # the test runner has a browser, for one
    children: set[psutil.Process] = set()
    with pytest.raises(CancelledError):
        engine("hanging").separate(source, destination, cancel)
    assert children
    assert not any(child.is_running() for child in children)
    assert list(destination.iterdir()) == []


PARENT = """
import sys
from pathlib import Path
from django.conf import settings
settings.configure(STEMSET_MODEL_CACHE_DIR=sys.argv[1])
from processing.separators.audio_separator import AudioSeparatorEngine, Model
engine = AudioSeparatorEngine("hanging", Model("hanging.onnx", ("vocals", "other"), None))
engine.separate(Path(sys.argv[2]), Path(sys.argv[3]), lambda fraction: print(fraction, flush=True))
"""


def test_a_child_does_not_outlive_its_parent(installed, source, destination, settings):
    command = [sys.executable, "-c", PARENT, settings.STEMSET_MODEL_CACHE_DIR, str(source), str(destination)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=audio_separator.PROJECT) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()  # progress: the child runs
        [child] = psutil.Process(parent.pid).children()
        parent.kill()
    deadline = time.monotonic() + 60
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the child outlived its parent"
        time.sleep(0.05)


# How the worker cuts, and what it may import


@pytest.mark.parametrize("overlap", [0, 3])
def test_sections_cover_the_file_and_share_the_overlap(overlap):
    for frames in range(1, 200):
        sections = audio_separator_worker.plan_sections(frames, 10, overlap)
        assert sections[0][0] == 0
        assert sections[-1][1] == frames
        assert all(stop - start <= 10 for start, stop in sections)
        assert all(stop - start >= min(frames, overlap + 1) for start, stop in sections)
        for (_, stop), (start, _) in itertools.pairwise(sections):
            assert stop - start == overlap


def test_a_crossfade_keeps_what_both_agree_on():
    same = noise(100)
    np.testing.assert_allclose(audio_separator_worker.crossfade(same, same), same, atol=1e-7)
    mixed = audio_separator_worker.crossfade(np.ones((4, 2), np.float32), np.zeros((4, 2), np.float32))
    np.testing.assert_allclose(mixed[:, 0], [1, 0.75, 0.5, 0.25])


def test_the_worker_imports_only_what_its_environment_has():
    tree = ast.parse(audio_separator.WORKER.read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    roots = {name.partition(".")[0] for name in imported}
    assert "audio_separator" in roots
    assert roots <= sys.stdlib_module_names | {"numpy", "soundfile", "audio_separator"}


def test_the_neural_requirements_are_hashed_and_without_addresses():
    text = (audio_separator.PROJECT / "requirements" / "neural.txt").read_text()
    pinned = re.findall(r"^([\w.-]+)==[^\n]*\\\n    --hash=sha256:", text, re.MULTILINE)
    assert len(pinned) == len(re.findall(r"^\w", text, re.MULTILINE))
    assert {"audio-separator", "audioread", "numpy", "soundfile", "torch"} <= set(pinned)
    assert "django" not in pinned
    assert "://" not in text
