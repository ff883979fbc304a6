"""What happens when the real library fails, is cancelled, or loses its parent."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from processing.errors import ModelError, ProcessingError
from processing.separators.audio_separator import PROJECT
from tests.neural.helpers import RATE, engine, noise, quiet, write

pytestmark = pytest.mark.neural


def test_what_the_network_raises_is_an_error(tmp_path, destination):
    source = write(tmp_path / "mix.wav", noise(RATE))
    with pytest.raises(ProcessingError, match="Got: 512 Expected: 100") as caught:
        engine("narrow").separate(source, destination, quiet)
    assert caught.value.code == "separation"
    assert list(destination.iterdir()) == []


def test_a_damaged_model_is_a_model_error(tmp_path, destination):
    source = write(tmp_path / "mix.wav", noise(RATE))
    with pytest.raises(ModelError, match=r"broken\.onnx cannot be loaded"):
        engine("broken").separate(source, destination, quiet)
    assert list(destination.iterdir()) == []


def test_a_model_that_cannot_be_fetched_is_a_model_error(tmp_path, destination, model_cache):
    source = write(tmp_path / "mix.wav", noise(RATE))
    with pytest.raises(ModelError, match=r"missing\.onnx cannot be loaded"):
        engine("missing").separate(source, destination, quiet)
    assert not list((model_cache / "audio-separator").glob("missing*"))


class CancelledError(Exception):
    """What a job raises in progress when it is cancelled."""


def test_cancelling_between_sections_ends_the_child_and_leaves_nothing(tmp_path, destination):
    others = set(psutil.Process().children())  # the test runner's own
    children: set[psutil.Process] = set()

    def cancel(fraction: float) -> None:
        if fraction > 0:
            children.update(set(psutil.Process().children()) - others)
            raise CancelledError

    with pytest.raises(CancelledError):
        engine("half").separate(write(tmp_path / "mix.wav", noise(130 * RATE)), destination, cancel)
    assert children
    assert not any(child.is_running() for child in children)
    assert list(destination.iterdir()) == []


PARENT = """
import sys
from pathlib import Path
from django.conf import settings
settings.configure(STEMSET_MODEL_CACHE_DIR=sys.argv[1])
from tests.neural.helpers import engine
def tell(fraction):
    if fraction > 0:
        print(fraction, flush=True)
engine("half").separate(Path(sys.argv[2]), Path(sys.argv[3]), tell)
"""


def test_a_working_child_does_not_outlive_its_parent(tmp_path, destination, model_cache):
    source = write(tmp_path / "mix.wav", noise(600 * RATE))
    command = [sys.executable, "-c", PARENT, str(model_cache), str(source), str(destination)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=PROJECT) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline(), "it told no progress"
        [child] = psutil.Process(parent.pid).children()
        parent.kill()
    deadline = time.monotonic() + 60
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the child outlived its parent"
        time.sleep(0.05)
    assert not list(Path(destination).glob("*.wav"))
