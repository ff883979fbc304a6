"""The engine of "spleeter:2stems": vocals and what is left, by the pretrained Spleeter networks under onnxruntime.

The networks see the magnitudes of 512 frames (12 s) at a time and 1024 of the bins (up to 11 kHz). They were
trained on commercial masters and misjudge quiet recordings, so they are shown the music as if it had an RMS of
−6 dBFS; only the mask they answer is used, refined by a Wiener filter, on the untouched spectrum.

"spleeter:2stems-best" asks four times, with the windows at shifted places, and averages: four times the work.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from processing.audio import Progress
from processing.separators.stft import Spectrum
from processing.separators.streaming import Divide, split
from processing.separators.wavefiles import WorkingFile
from processing.separators.weights import SPLEETER_FILE, find_spleeter, model_folder
from processing.separators.wiener import wiener

OUTPUTS = ("vocals", "accompaniment")

_LEVEL = 10 ** (-6 / 20)
_FRAMES = 512
_SEEN = 1024  # bins the networks were trained on
_LAYERS = {"spleeter:2stems": 1, "spleeter:2stems-best": 4}
_GATE = 0.1  # of the mean power: what lies below is a pause (the relative gate of ITU-R BS.1770)


def load(name: str) -> "SpleeterSeparator":
    """Return the engine for a name of the registry."""
    return SpleeterSeparator(name)


class SpleeterSeparator:
    """Vocals and accompaniment; see processing.separators.Separator."""

    version = SPLEETER_FILE.removesuffix(".onnx") + "/1"
    outputs = OUTPUTS

    def __init__(self, name: str, *, folder: Path | None = None, workers: int | None = None) -> None:
        self.name = name
        self._folder = folder
        self._workers = workers

    def check(self) -> None:
        """Raise ModelError unless the weights are there and whole."""
        find_spleeter(self._folder or model_folder())

    def separate(self, source: Path, destination: Path, progress: Progress) -> dict[str, Path]:
        """Split `source` into `destination`; the accompaniment is the source minus the vocals."""
        network = _Network(find_spleeter(self._folder or model_folder()))
        gain = _LEVEL / level(source, lambda fraction: progress(fraction * 0.05))
        return split(
            source,
            destination,
            self.outputs,
            _divide(network, gain),
            progress=lambda fraction: progress(0.05 + fraction * 0.95),
            window=_FRAMES,
            layers=_LAYERS[self.name],
            workers=self._workers,
        )


def level(source: Path, progress: Progress) -> float:
    """Return the RMS of a file over both channels, 1 being full scale, pauses left out; 1 for silence."""
    powers: list[float] = []
    with WorkingFile(source) as audio:
        done = 0
        for block in audio.blocks():
            powers.append(float(np.vdot(block, block)) / block.size)
            done += block.shape[1]
            progress(done / audio.frames)
    if not any(powers):
        return 1.0
    power = np.array(powers)
    return float(np.sqrt(power[power > _GATE * power.mean()].mean()))


class _Network:
    """The graph in onnxruntime: one thread per call, safe to call from several threads."""

    def __init__(self, model: Path) -> None:
        import onnxruntime  # noqa: PLC0415  -- half a second that only a separation should pay

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def vocals(self, magnitude: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the vocals' share, 0 to 1, of (channels, 512, 1024) magnitudes."""
        (share,) = self._session.run(None, {"magnitude": magnitude[np.newaxis]})
        return np.asarray(share[0], np.float32)


def _divide(network: _Network, gain: float) -> Divide:
    def divide(spectrum: Spectrum) -> list[Spectrum]:
        seen = spectrum[:, :, :_SEEN]
        channels, frames, _ = seen.shape
        magnitude = np.zeros((channels, _FRAMES, _SEEN), np.float32)
        np.abs(seen, out=magnitude[:, :frames])
        magnitude *= np.float32(gain)
        return [wiener(seen, network.vocals(magnitude)[:, :frames])]

    return divide
