"""A band's installation for tests: a config.yaml, a source folder, and recordings to put into it."""

import os
from pathlib import Path

import numpy as np
import soundfile

from stemset.config.loader import load_config

# The fastest engine there is; what it makes is not what these tests are about.
CONFIG = """
strategies:
  quick: {_: "dsp:lowband", bass: bass, rest: other}
  other_way: {_: "dsp:hpss", percussive: drums, harmonic: other}
profiles:
  - {name: band, source_folder: in, strategy: quick, output: {format: FORMAT, bitrate: 96}}
  - {name: second, source_folder: in, strategy: other_way}
"""


class Band:
    """`folder/config.yaml` and `folder/in`, with the settings pointing at them."""

    def __init__(self, folder: Path, settings: object, output_format: str = "flac") -> None:
        self.config_path = folder / "config.yaml"
        self.config_path.write_text(CONFIG.replace("FORMAT", output_format))
        self.source_folder = folder / "in"
        self.source_folder.mkdir()
        self.config = load_config(self.config_path, {})
        settings.STEMSET = self.config  # type: ignore[attr-defined]

    def record(self, name: str = "take.wav", *, seconds: float = 0.6, seed: int = 1, **options: object) -> Path:
        """Put a noisy chord into the source folder."""
        path = self.source_folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, chord(seconds, seed), 44_100, **options)
        return settle(path)


def chord(seconds: float, seed: int = 1) -> np.ndarray:
    """Return float32 (n, 2): two tones and noise, different for every seed."""
    random = np.random.default_rng(seed)
    time = np.arange(int(seconds * 44_100)) / 44_100
    tones = 0.2 * np.sin(2 * np.pi * 80 * time) + 0.1 * np.sin(2 * np.pi * (400 + seed) * time)
    return (tones[:, None] + 0.05 * random.standard_normal((len(time), 2))).astype(np.float32)


def settle(path: Path) -> Path:
    """Date a file back, as if it had been copied long ago, so that scanning does not wait for it."""
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path
