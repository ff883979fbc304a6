"""Which engine serves which name."""

import subprocess
import sys

import pytest

from processing.errors import ModelError
from processing.separators import get_separator, known_models, model_outputs

BUILT_IN = [name for name in known_models() if ":" in name]


@pytest.mark.parametrize("name", BUILT_IN)
def test_listed_outputs_are_the_engines(name: str) -> None:
    separator = get_separator(name)
    assert separator.name == name
    assert separator.outputs == model_outputs(name)
    assert separator.version


def test_default_strategies_fit_the_models() -> None:
    assert model_outputs("spleeter:2stems") == ("vocals", "accompaniment")
    assert set(model_outputs("dsp:drums-bass-other")) == {"drums", "bass", "other"}
    assert set(model_outputs("dsp:4stems")) == {"vocals", "drums", "bass", "other"}


def test_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(ModelError, match=r"Did you mean spleeter:2stems\?") as caught:
        get_separator("spleeter:2stem")
    assert caught.value.code == "model_unknown"
    assert "dsp:4stems" in str(caught.value)
    assert "htdemucs_ft" in str(caught.value)


def test_unknown_name_without_a_neighbour() -> None:
    with pytest.raises(ModelError) as caught:
        model_outputs("zzz:zzz")
    assert "Did you mean" not in str(caught.value)


def test_asking_for_outputs_loads_no_engine() -> None:
    code = (
        "import sys; from processing.separators import known_models, model_outputs\n"
        "for name in known_models():\n    if ':' in name: model_outputs(name)\n"
        "print([m for m in ('onnxruntime', 'torch', 'onnx', 'scipy', 'django') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
