"""Tests that need the neural environment (docs/neural.md). They are collected only when they are asked for."""

import os
import subprocess
from pathlib import Path

import pytest

from processing.separators.audio_separator import INSTALL, find_environment

MAKE_MODELS = Path(__file__).with_name("make_models.py")


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Leave this folder out unless STEMSET_TEST_NEURAL is set or `-m neural` is given, without a word."""
    asked = os.environ.get("STEMSET_TEST_NEURAL") or config.getoption("markexpr") == "neural"
    return None if asked else True


@pytest.fixture(scope="session")
def model_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model cache whose folder for the library holds the tiny models."""
    environment = find_environment()
    assert environment is not None, f"These tests need the neural environment: {INSTALL}"
    cache = tmp_path_factory.mktemp("models")
    folder = cache / "audio-separator"
    folder.mkdir()
    made = subprocess.run(
        [environment.python, "-P", MAKE_MODELS, folder], capture_output=True, text=True, timeout=600, check=False
    )
    assert made.returncode == 0, made.stderr
    return cache


@pytest.fixture(autouse=True)
def offline(settings, model_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library finds the tiny models, and whatever it would ask a network for fails at once."""
    settings.STEMSET_MODEL_CACHE_DIR = str(model_cache)
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.upper(), "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def destination(tmp_path: Path) -> Path:
    folder = tmp_path / "stems"
    folder.mkdir()
    return folder
