"""The process in which the library audio-separator runs; audio_separator.py starts it.

It lives in an environment of its own, without Django, and is started by its path: it may import nothing but the
standard library, numpy, soundfile and audio_separator. One run separates one file with one model.

Standard input   a pipe that nobody writes to; when it closes, the parent is gone and this process ends at once
Standard output  one JSON object per line: {"progress": 0.5}, or {"error": "...", "kind": "model" or "separation"}
Standard error   everything the library and its libraries print
Exit status      0 when every stem was written, 1 after an error line, anything else for a crash
"""

import argparse
import json
import math
import os
import random
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

Samples = NDArray[np.float32]  # (frames, 2), full scale ±1

SAMPLE_RATE = 44_100
# A file is separated in sections, so that memory does not grow with its length, and neighbours are cross-faded over
# the overlap. The library's own chunk_duration reads the whole file, needs ffmpeg, passes through integers (which clip)
# and joins its chunks without a cross-fade.
SECTION = 60 * SAMPLE_RATE
OVERLAP = 4 * SAMPLE_RATE
# Shorter input is padded with silence: some networks reflect more of the signal at its edges than it has.
SHORTEST = SAMPLE_RATE
# An engine may answer some frames more or fewer than it was given (an STFT's hop); beyond this it is wrong.
TOLERANCE = SAMPLE_RATE // 2
LARGEST_WAV = 2**32 - 2**16  # bytes of audio that a WAV header's 32-bit sizes can tell
ABSURD = 2.0**16  # a sample beyond +96 dBFS is damaged, like NaN


class WorkerError(Exception):
    """Something to tell the parent; `kind` is "model" (cannot be loaded) or "separation" (did not work)."""

    def __init__(self, message: str, kind: str = "separation") -> None:
        super().__init__(message)
        self.kind = kind


def output_name(stem: str) -> str:
    """Give a stem of the library the name a config.yaml uses: "No Drums" is not_drums, "Vocals" is vocals."""
    name = stem.strip().lower()
    return ("not_" + name[3:] if name.startswith("no ") else name).replace(" ", "_")


def plan_sections(frames: int, longest: int = SECTION, overlap: int = OVERLAP) -> list[tuple[int, int]]:
    """Cut `frames` into sections [start, stop) of at most `longest` frames, each sharing `overlap` with the next.

    All are about equally long: networks do worse on a short rest at the end. No frames, no sections.
    """
    if frames == 0:
        return []
    count = max(1, math.ceil((frames - overlap) / (longest - overlap)))
    hop = math.ceil((frames - overlap) / count) if count > 1 else frames
    starts = [i * hop for i in range(count)]
    return [(start, min(frames, start + hop + overlap)) for start in starts]


def complete(
    mix: Samples, stems: dict[str, Samples], outputs: Iterable[str], residual: str | None
) -> dict[str, Samples]:
    """Turn what an engine made of `mix` into exactly `outputs`, each as long as the mix.

    A two-stem model's second stem may come under another of its names (Instrumental, No Vocals, other), or not at
    all. What the stems leave of the mix is added to the output named `residual`, so that they sum to it.
    Raises WorkerError when an output is missing, unexpected, too short or not finite.
    """
    outputs = tuple(outputs)
    missing = [output for output in outputs if output not in stems]
    extra = [name for name in stems if name not in outputs]
    if missing == [residual] and not extra:
        stems = stems | {missing[0]: np.zeros_like(mix)}
    elif len(outputs) == 2 and len(missing) == len(extra) == 1:
        stems = {missing[0] if name == extra[0] else name: stem for name, stem in stems.items()}
    elif missing or extra:
        raise WorkerError(f"The model made the stems {sorted(stems)} instead of {sorted(outputs)}.")
    fitted = {output: _fit(stems[output], len(mix), output) for output in outputs}
    if residual is not None:
        # In double precision: the differences of rounding would otherwise be what is added.
        rest = mix - sum(stem.astype(np.float64) for stem in fitted.values())
        fitted[residual] = (fitted[residual] + rest).astype(np.float32)
    return fitted


def _fit(stem: Samples, frames: int, name: str) -> Samples:
    if stem.ndim != 2 or stem.shape[1] != 2:
        raise WorkerError(f"The stem {name} has the shape {stem.shape} instead of (frames, 2).")
    if abs(len(stem) - frames) > TOLERANCE:
        raise WorkerError(f"The stem {name} has {len(stem)} samples instead of {frames}.")
    if not np.isfinite(stem).all():
        raise WorkerError(f"The stem {name} has samples that are no numbers.")
    return np.pad(stem[:frames], ((0, max(0, frames - len(stem))), (0, 0)))


class Engine:
    """The library with one model loaded: arrays in, arrays out.

    Raises WorkerError of the kind "model" when the model is unknown, broken or cannot be fetched.
    """

    def __init__(self, model: str, models: Path, scratch: Path) -> None:
        self._input = scratch / "section.wav"
        self._made: dict[str, Samples] = {}
        try:
            library = _library()
        except ImportError as error:
            raise WorkerError(f"audio-separator cannot be imported, install it again: {error}", "model") from error
        self._separator = library(
            model_file_dir=str(models), output_dir=str(scratch), output_format="WAV", use_soundfile=True
        )
        # The library scales down a mix or a stem that peaks above this, by a factor it does not tell. Its
        # constructor allows 1 at most, and a stem may well peak higher than the mix.
        self._separator.normalization_threshold = math.inf
        try:
            self._separator.load_model(model)
        except (Exception, SystemExit) as error:  # a damaged checkpoint makes the library call sys.exit
            reason = str(error) if isinstance(error, Exception) else "the file is damaged or incomplete"
            raise WorkerError(f"The model {model} cannot be loaded from {models}: {reason}.", "model") from error
        # Where every architecture hands over a finished stem. What would follow writes files: normalised once more,
        # for some in 16 bits, under names that depend on how it was called.
        self._separator.model_instance.final_process = self._keep

    def split(self, mix: Samples) -> dict[str, Samples]:
        """Separate one section into stems named by output_name, at the section's own level."""
        peak = np.abs(mix).max()
        # One architecture multiplies its result by the input's peak: a peak of 1 makes that harmless, and shows
        # every network the level it was trained on.
        padded = np.pad(mix / peak, ((0, max(0, SHORTEST - len(mix))), (0, 0)))
        soundfile.write(self._input, padded, SAMPLE_RATE, subtype="FLOAT")
        self._made = {}
        random.seed(0)  # Demucs shifts its input at random: the same file must give the same stems
        try:
            self._separator.separate(str(self._input))
        except Exception as error:
            raise WorkerError(f"audio-separator failed: {type(error).__name__}: {error}") from error
        # Not its return value: some versions swallow what goes wrong and return an empty list.
        if not self._made:
            raise WorkerError("audio-separator made no stems.")
        surplus = len(padded) - len(mix)
        return {name: stem[: len(stem) - surplus] * peak for name, stem in self._made.items()}

    def _keep(self, _path: str, source: Samples, stem: str) -> dict[str, Samples]:
        self._made[output_name(stem)] = np.array(source, np.float32)
        return {stem: source}


def _library() -> Any:
    """Return the library's Separator, changed in three places. Importing it takes seconds."""
    from audio_separator.separator import Separator  # noqa: PLC0415

    class Adapted(Separator):
        def check_ffmpeg_installed(self) -> None:
            """Nothing: WAV files are read and written without ffmpeg, which the library demands at the start."""

        def download_file_if_not_exists(self, url: str, output_path: str) -> None:
            """Let a file appear whole: the library takes an interrupted download for the model ever after."""
            if not Path(output_path).is_file():
                part = f"{output_path}.{os.getpid()}.part"
                try:
                    super().download_file_if_not_exists(url, part)
                    os.replace(part, output_path)
                finally:
                    Path(part).unlink(missing_ok=True)

        def load_model_data_using_hash(self, model_path: str) -> Any:
            """Run an MDX network on segments as long as its own input: others are converted to torch and slower."""
            data = super().load_model_data_using_hash(model_path)
            if "mdx_dim_t_set" in data:
                self.arch_specific_params["MDX"]["segment_size"] = 2 ** data["mdx_dim_t_set"]
            return data

    return Adapted


def separate(
    engine: Engine,
    source: Path,
    destination: Path,
    *,
    outputs: tuple[str, ...],
    residual: str | None,
    report: Callable[[float], None],
) -> None:
    """Write <output>.wav for every output into `destination`, each exactly as long as `source`."""
    with ExitStack() as stack:
        mix = stack.enter_context(soundfile.SoundFile(source))
        container = "WAV" if mix.frames * 8 < LARGEST_WAV else "RF64"
        files = {
            output: stack.enter_context(
                soundfile.SoundFile(destination / f"{output}.wav", "w", SAMPLE_RATE, 2, "FLOAT", format=container)
            )
            for output in outputs
        }
        tails: dict[str, Samples] = {}
        for start, stop in plan_sections(mix.frames):
            mix.seek(start)
            section = mix.read(stop - start, dtype="float32", always_2d=True)
            section = np.where(np.abs(section) < ABSURD, section, np.float32(0))
            stems = complete(section, engine.split(section), outputs, residual) if section.any() else {}
            for output, file in files.items():
                stem = stems.get(output, np.zeros_like(section))  # silence needs no network
                if output in tails:
                    stem[:OVERLAP] = crossfade(tails[output], stem[:OVERLAP])
                end = len(stem) if stop == mix.frames else len(stem) - OVERLAP
                file.write(stem[:end])
                tails[output] = stem[end:]
            report(stop / mix.frames)


def crossfade(before: Samples, after: Samples) -> Samples:
    """Go over from one to the other in a straight line: both are nearly the same signal, and sums stay sums."""
    rise = np.linspace(0, 1, len(before), endpoint=False, dtype=np.float32)[:, np.newaxis]
    return before * (1 - rise) + after * rise


def _claim_stdout() -> Callable[[dict[str, Any]], None]:
    """Keep standard output for our own lines; whatever else is printed goes to standard error."""
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr

    def send(message: dict[str, Any]) -> None:
        print(json.dumps(message), file=lines, flush=True)

    return send


def _end_with_parent() -> None:
    """Wait until standard input closes. A parent killed with -9 can tell nobody, but its pipes close."""
    while os.read(0, 4096):
        pass
    os._exit(3)


def main(arguments: list[str] | None = None) -> int:
    """Separate one file; see the module's docstring for what is said where."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True, help="the library's name of the model file")
    parser.add_argument("--models", type=Path, required=True, help="the folder of model files")
    parser.add_argument("--source", type=Path, required=True, help="float32 stereo 44.1 kHz WAV")
    parser.add_argument("--destination", type=Path, required=True, help="an existing folder")
    parser.add_argument("--output", action="append", required=True, help="a stem to make; once for each")
    parser.add_argument("--residual", help="the output that gets what the stems leave of the mix")
    options = parser.parse_args(arguments)
    send = _claim_stdout()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        engine = Engine(options.model, options.models, options.destination)
        separate(
            engine,
            options.source,
            options.destination,
            outputs=tuple(options.output),
            residual=options.residual,
            report=lambda fraction: send({"progress": fraction}),
        )
    except WorkerError as error:
        send({"error": str(error), "kind": error.kind})
        return 1
    return 0


if __name__ == "__main__":
    exit_status = main()
    sys.stderr.flush()
    os._exit(exit_status)  # the files are closed; torch and onnxruntime sometimes crash while they are unloaded
