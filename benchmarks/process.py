"""How long and how much memory a whole recording takes: decoding, the default strategy, measuring, encoding.

    python benchmarks/process.py [--minutes 60] [--runs 3]

Prints each step's real-time factor (seconds of work per second of audio; the baseline is real time, 1.0) and the peak
memory, against a recording of 10 minutes in the same run: memory must not grow with the length. The input is the
demo recording, repeated at changing levels. Each run is a process of its own; figures are medians.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "demo" / "input" / "harbour.flac"
BASELINE_MINUTES = 10


def make_recording(path: Path, minutes: float) -> None:
    """Write the demo recording again and again, each time a little softer or louder, as 16-bit WAV."""
    song, rate = soundfile.read(DEMO, dtype="float32")
    left = int(minutes * 60 * rate)
    levels = np.random.default_rng(1)
    with soundfile.SoundFile(path, "w", rate, 2, "PCM_16") as out:
        while left > 0:
            part = song[:left] * np.float32(levels.uniform(0.5, 0.98))
            out.write(part)
            left -= len(part)


def measure(recording: Path) -> dict[str, float]:
    """Process a recording in this process; return seconds per step and the peak memory in MB."""
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stemset.settings")
    import django

    django.setup()
    from django.conf import settings

    from processing import executor
    from processing.audio import no_progress
    from processing.audio.decode import decode_to_wav
    from processing.finishing import finish_stems

    profile = settings.STEMSET.profile("demo")
    tree = settings.STEMSET.strategies[profile.strategy]
    seconds = {}
    with tempfile.TemporaryDirectory(dir=recording.parent) as name:
        folder = Path(name)
        began = time.monotonic()
        decode_to_wav(recording, folder / "source.wav", no_progress)
        seconds["decoding"] = time.monotonic() - began
        began = time.monotonic()
        stems = executor.separate(tree, folder / "source.wav", folder, no_progress)
        seconds["separating"] = time.monotonic() - began
        began = time.monotonic()
        finish_stems(stems, folder, profile.output, no_progress)
        seconds["measuring and encoding"] = time.monotonic() - began
    seconds["in all"] = sum(seconds.values())
    return {**seconds, "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000}


def medians(folder: Path, minutes: float, runs: int) -> dict[str, float]:
    """Measure a recording of this length several times, each in a new process."""
    recording = folder / f"{minutes:g}.wav"
    make_recording(recording, minutes)
    results = []
    for _ in range(runs):
        answer = subprocess.run(
            [sys.executable, __file__, "--measure", str(recording)], stdout=subprocess.PIPE, text=True, check=True
        )
        results.append(json.loads(answer.stdout))
    recording.unlink()
    return {key: statistics.median(result[key] for result in results) for key in results[0]}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", help="where the temporary files go; they take about 2 GB per 15 minutes")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure)))
        return
    with tempfile.TemporaryDirectory(prefix="stemset-bench-", dir=options.folder) as folder:
        short = medians(Path(folder), BASELINE_MINUTES, options.runs)
        long = medians(Path(folder), options.minutes, options.runs)
    print(f"process: {options.minutes:g} minutes of stereo, median of {options.runs}, {os.cpu_count()} cores")
    print(f"{'step':24}{'seconds':>9}{'× real time':>13}{'at 10 min':>11}")
    for step in [key for key in long if key != "peak"]:
        factor, before = long[step] / (options.minutes * 60), short[step] / (BASELINE_MINUTES * 60)
        print(f"{step:24}{long[step]:9.1f}{factor:13.4f}{before:11.4f}")
    print(f"peak memory: {long['peak']:.0f} MB, {long['peak'] / short['peak']:.2f} × that of 10 minutes")


if __name__ == "__main__":
    main()
