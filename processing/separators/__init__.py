"""Separation engines: what one is, and which model name is served by which.

Names of the form "engine:model" are the built-in engines'; every other name is a neural model's, served by the
optional library audio-separator. An engine's module is imported when one of its models is first asked for, so a web
process never loads onnxruntime or torch.
"""

import difflib
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from processing.audio import Progress
from processing.errors import ModelError

_NEURAL_MODULE = "processing.separators.audio_separator"

# Every module has load(name) -> Separator. The outputs stand here as well, so that reading a configuration imports
# no engine; a test compares the two.
_BUILT_IN: dict[str, tuple[str, tuple[str, ...]]] = {
    "spleeter:2stems": ("processing.separators.spleeter", ("vocals", "accompaniment")),
    "spleeter:2stems-best": ("processing.separators.spleeter", ("vocals", "accompaniment")),
    "dsp:drums-bass-other": ("processing.separators.dsp", ("drums", "bass", "other")),
    "dsp:4stems": ("processing.separators.dsp", ("vocals", "drums", "bass", "other")),
    "dsp:hpss": ("processing.separators.dsp", ("harmonic", "percussive")),
    "dsp:lowband": ("processing.separators.dsp", ("bass", "rest")),
}
# The neural models that strategies commonly name; the library knows many more.
_NEURAL = (
    "htdemucs_ft",
    "hdemucs_mmi",
    "vocals_mel_band_roformer.ckpt",
    "kuielab_b_drums.onnx",
    "kuielab_a_bass.onnx",
)


class Separator(Protocol):
    """One model, ready to be asked for its stems.

    name     the model's name as config.yaml writes it, for example "spleeter:2stems"
    version  what the recording remembers of what made it; changes when the output would
    outputs  the names of the stems it makes, in a fixed order
    """

    name: str
    version: str
    outputs: tuple[str, ...]

    def check(self) -> None:
        """Raise ModelError, with the command that helps, if this machine cannot run the model now."""

    def separate(self, source: Path, destination: Path, progress: Progress) -> dict[str, Path]:
        """Split a recording.

        source       a WAV/RF64 file in the working format (float32, stereo, 44.1 kHz)
        destination  an existing empty folder; the stems become <output>.wav there, in the working format

        Returns the file of every output. Every stem has exactly the source's length. Memory does not grow with
        the length. Raises ProcessingError; whatever `progress` raises passes through.
        """
        ...


def known_models() -> tuple[str, ...]:
    """Return the names to offer a person: the built-in models, then the common neural ones."""
    return (*_BUILT_IN, *_NEURAL)


def get_separator(name: str) -> Separator:
    """Return the engine that serves a model. Raises ModelError (code "model_unknown") for a name of none.

    That the engine can run here and now is another question: ask its check().
    """
    module = _BUILT_IN[name][0] if name in _BUILT_IN else _NEURAL_MODULE
    if ":" in name and name not in _BUILT_IN:
        raise _unknown(name)
    return cast(Separator, import_module(module).load(name))


def model_outputs(name: str) -> tuple[str, ...]:
    """Return a model's outputs without importing onnxruntime or torch. Raises ModelError as get_separator does."""
    if name in _BUILT_IN:
        return _BUILT_IN[name][1]
    return get_separator(name).outputs


def output_meant(name: str, key: str) -> str | None:
    """Return the output of a model that a key of a strategy tree means, or None if it has none such.

    Neural models have outputs that older config files know under other names.
    """
    if name not in _BUILT_IN:
        key = getattr(get_separator(name), "aliases", {}).get(key, key)
    return key if key in model_outputs(name) else None


def _unknown(name: str) -> ModelError:
    close = difflib.get_close_matches(name, known_models(), n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    return ModelError(
        f'There is no model "{name}".{hint} Known models: {", ".join(known_models())}, and whatever the library '
        "audio-separator offers.",
        code="model_unknown",
    )
