"""Analysing four stems: our one-pass analyser against "four soundfile.read + pyloudnorm".

    python benchmarks/analyser.py [--minutes 60] [--runs 3]

Both find integrated loudness, peak and 1920 RMS columns of the same four stereo WAV files, made here from a fixed
seed. Each run is a child process of its own, so that the peak memory is its alone and imports count on both sides.
Prints medians, the two ratios, and how far each meter lies from FFmpeg's ebur128 filter.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
RATE = 44_100
STEMS = 4
BASELINE = "four soundfile.read + pyloudnorm"
COLUMNS = 1920


def make_stems(folder: Path, minutes: float) -> list[Path]:
    """Four different 16-bit stereo files: noise with bass that swells and fades, with silent stretches.

    The level keeps changing: long stretches that lie exactly at the relative gate would compare how meters round.
    """
    import soundfile
    from scipy.signal import lfilter

    paths = []
    for stem in range(STEMS):
        generator = np.random.default_rng(stem)
        path = folder / f"stem{stem}.wav"
        with soundfile.SoundFile(path, "w", RATE, 2, "PCM_16") as file:
            left = round(minutes * 60 * RATE)
            state = np.zeros((1, 2))
            while left > 0:
                frames = min(left, 10 * RATE)
                decibels = np.linspace(*generator.uniform(-46, -20, 2), frames)
                level = 10 ** (decibels / 20) * (generator.random() > 0.15)
                noise = generator.standard_normal((frames, 2)) * level[:, np.newaxis]
                bass, state = lfilter([0.1], [1, -0.97], noise, axis=0, zi=state)
                file.write((noise * 0.3 + bass).astype(np.float32))
                left -= frames
        paths.append(path)
    return paths


def baseline(paths: list[Path]) -> list[float]:
    import pyloudnorm
    import soundfile

    found = []
    for path in paths:
        samples, rate = soundfile.read(path)
        found.append(float(pyloudnorm.Meter(rate).integrated_loudness(samples)))
        np.abs(samples).max()
        edges = np.arange(COLUMNS) * len(samples) // COLUMNS
        np.sqrt(np.add.reduceat(np.square(samples).mean(axis=1), edges))
    return found


def ours(paths: list[Path], threads: int) -> list[float]:
    from processing.audio.meter import analyse_file

    with ThreadPoolExecutor(threads) as pool:
        return [found.analysis.lufs or 0.0 for found in pool.map(analyse_file, paths)]


def ffmpeg(paths: list[Path]) -> list[float]:
    """The independent meter: FFmpeg's ebur128 filter over the same samples."""
    from fractions import Fraction

    import av
    import soundfile
    from av.audio.frame import AudioFrame

    found = []
    for path in paths:
        graph = av.filter.Graph()
        source = graph.add_abuffer(sample_rate=RATE, format="flt", layout="stereo", time_base=Fraction(1, RATE))
        meter = graph.add("ebur128", "metadata=1:framelog=quiet")
        sink = graph.add("abuffersink")
        source.link_to(meter)
        meter.link_to(sink)
        graph.configure()
        last = 0.0
        position = 0
        blocks = soundfile.blocks(path, 1 << 16, dtype="float32")
        while True:
            block = next(blocks, None)
            if block is not None:
                frame = AudioFrame.from_ndarray(block.reshape(1, -1), format="flt", layout="stereo")
                frame.sample_rate, frame.pts, frame.time_base = RATE, position, Fraction(1, RATE)
                position += len(block)
                graph.push(frame)
            else:
                graph.push(None)
            try:
                while True:
                    last = float(graph.pull().metadata.get("lavfi.r128.I", last))
            except (av.BlockingIOError, av.EOFError):
                if block is None:
                    break
        found.append(last)
    return found


def child(what: str, paths: list[Path]) -> None:
    started = time.perf_counter()
    if what == "baseline":
        lufs = baseline(paths)
    elif what == "ffmpeg":
        lufs = ffmpeg(paths)
    else:
        lufs = ours(paths, int(what))
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
    print(json.dumps({"seconds": seconds, "mb": peak, "lufs": lufs}))


def measure(what: str, paths: list[Path], runs: int) -> dict:
    command = [sys.executable, __file__, "--child", what, *map(str, paths)]
    results = [
        json.loads(subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout)
        for _ in range(runs)
    ]
    return {
        "seconds": statistics.median(result["seconds"] for result in results),
        "mb": statistics.median(result["mb"] for result in results),
        "lufs": results[0]["lufs"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60, help="length of each stem (default 60)")
    parser.add_argument("--runs", type=int, default=3, help="runs of each, of which the median counts (default 3)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stemset-benchmark-") as folder:
        print(f"four stereo WAV files of {options.minutes:g} minutes, median of {options.runs} runs", flush=True)
        paths = make_stems(Path(folder), options.minutes)
        old = measure("baseline", paths, options.runs)
        print(f"{BASELINE:34} {old['seconds']:8.2f} s {old['mb']:8.0f} MB", flush=True)
        reference = measure("ffmpeg", paths, 1)["lufs"]
        for threads in (1, 2):
            new = measure(str(threads), paths, options.runs)
            name = f"analyse_file, {threads} thread{'s' * (threads > 1)}"
            print(f"{name:34} {new['seconds']:8.2f} s {new['mb']:8.0f} MB", end="")
            print(f"   {old['seconds'] / new['seconds']:5.1f} x faster, {old['mb'] / new['mb']:5.1f} x less memory")
        print(
            f"largest difference from FFmpeg's ebur128: analyse_file {difference(new['lufs'], reference):.3f} LU,",
            end="",
        )
        print(f" pyloudnorm {difference(old['lufs'], reference):.3f} LU")


def difference(one: list[float], other: list[float]) -> float:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], [Path(argument) for argument in sys.argv[3:]])
    else:
        main()
