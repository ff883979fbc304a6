"""The tiny models as our side knows them, and songs for them."""

from pathlib import Path

import numpy as np
import soundfile

from processing.separators.audio_separator import AudioSeparatorEngine, Model

RATE = 44_100
MODELS = {
    "half": Model("half.onnx", ("vocals", "instrumental"), "instrumental"),
    "loud": Model("loud.onnx", ("vocals", "instrumental"), "instrumental"),
    "narrow": Model("narrow.onnx", ("vocals", "instrumental"), "instrumental"),
    "broken": Model("broken.onnx", ("vocals", "instrumental"), "instrumental"),
    "missing": Model("missing.onnx", ("vocals", "instrumental"), "instrumental"),
    "demucs": Model("tiny_demucs.yaml", ("vocals", "drums", "bass", "other"), "other"),
    "mdxc": Model("tiny_mdxc.ckpt", ("vocals", "instrumental"), None),
    "roformer": Model("tiny_roformer.ckpt", ("vocals", "other"), "other"),
}


def engine(model: str) -> AudioSeparatorEngine:
    return AudioSeparatorEngine(model, MODELS[model])


def tone(frames: int, peak: float) -> np.ndarray:
    """Two sines that every tiny network hears, one on each side."""
    time = np.arange(frames)[:, np.newaxis] / RATE
    return (peak * np.sin(2 * np.pi * np.array([440.0, 1000.0]) * time)).astype(np.float32)


def noise(frames: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.5, 0.5, (frames, 2)).astype(np.float32)


def write(path: Path, mix: np.ndarray) -> Path:
    soundfile.write(path, mix, RATE, subtype="FLOAT")
    return path


def read(stems: dict[str, Path]) -> dict[str, np.ndarray]:
    return {name: soundfile.read(path, dtype="float32")[0] for name, path in stems.items()}


def quiet(_fraction: float) -> None:
    """Report to nobody."""
