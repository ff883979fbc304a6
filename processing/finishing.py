"""From lossless stems to what people get: encoded audio, measurements, gains, waveform pictures and peaks."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import soundfile

from catalog.legacy import PEAKS_SUFFIX
from catalog.services import NewStem
from processing.audio import SAMPLE_RATE, Progress
from processing.audio.encode import StemWriter, extension_for
from processing.audio.gains import relative_gains
from processing.audio.meter import Analyser, Analysis, analyse_file
from processing.audio.waveform import render_waveform
from processing.errors import AudioError
from stemset.config.schema import OutputConfig
from stemset.cores import usable_cores

BLOCK_FRAMES = 1 << 16


@dataclass(frozen=True)
class FinishedStem:
    """One stem, ready for storage."""

    name: str
    audio: Path
    waveform: bytes
    peaks: Path
    analysis: Analysis
    gain_db: float
    # Of the samples that the analysis counted.
    sample_rate: int = SAMPLE_RATE

    @property
    def duration_seconds(self) -> float:
        """Length of the stem; the same for all stems of a recording."""
        return self.analysis.frames / self.sample_rate

    def as_new_stem(self, audio_key: str, waveform_key: str, peaks_key: str) -> NewStem:
        """Return its row, once its files are in storage under these keys."""
        with self.audio.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return NewStem(
            stem_type=self.name,
            measured_lufs=self.analysis.lufs,
            peak_amplitude=self.analysis.peak,
            stem_gain_adjustment_db=self.gain_db,
            audio_url=audio_key,
            waveform_url=waveform_key,
            peaks_url=peaks_key,
            file_size_bytes=self.audio.stat().st_size,
            duration_seconds=self.duration_seconds,
            file_sha256=digest,
        )


class _Progress:
    """Adds up the progress of stems that are finished side by side, and stops all of them when one is stopped."""

    def __init__(self, total: int, report: Progress) -> None:
        self._total = total
        self._done = 0
        self._report = report
        self._lock = threading.Lock()
        self.cancelled = threading.Event()

    def advance(self, frames: int) -> None:
        with self._lock:
            self._done += frames
            self._report(self._done / self._total)


def finish_stems(
    lossless: dict[str, Path], folder: Path, output: OutputConfig, progress: Progress
) -> list[FinishedStem]:
    """Measure and encode every stem, each in one pass over its file, as many side by side as there are cores.

    lossless  float32 stereo WAV at 44.1 kHz per stem, all of one length; deleted once encoded
    folder    where the encoded files go, as <stem>.<extension>, and beside each its peaks

    Returns the stems in the given order. `progress` may raise to cancel.
    """
    together = _Progress(sum(soundfile.info(str(path)).frames for path in lossless.values()), progress)
    with ThreadPoolExecutor(usable_cores()) as pool:
        try:
            futures = {
                name: pool.submit(_encode, path, folder / (name + extension_for(output.format)), output, together)
                for name, path in lossless.items()
            }
            analyses = {name: future.result() for name, future in futures.items()}
        except BaseException:
            together.cancelled.set()
            pool.shutdown(cancel_futures=True)
            raise
    files = {name: folder / (name + extension_for(output.format)) for name in analyses}
    return _finished(files, analyses, SAMPLE_RATE)


def measure_stems(encoded: dict[str, Path], progress: Progress) -> list[FinishedStem]:
    """The same for stems that somebody else has encoded: measured, in one pass over each, and otherwise left alone.
    Their peaks are written beside them.

    Raises AudioError for a stem that cannot be read to its end, and when they are not all of one length.
    """
    with ThreadPoolExecutor(usable_cores()) as pool:
        futures = {name: pool.submit(analyse_file, path, peaks=peaks_beside(path)) for name, path in encoded.items()}
        found = {}
        for name, future in futures.items():
            found[name] = future.result()
            progress(len(found) / len(futures))
    if len({(file.analysis.frames, file.sample_rate) for file in found.values()}) > 1:
        lengths = ", ".join(f"{name} {file.duration_seconds:.3f} s" for name, file in found.items())
        raise AudioError(f"The stems are not of one length and would drift apart: {lengths}.", code="length")
    rate = next(iter(found.values())).sample_rate
    return _finished(encoded, {name: file.analysis for name, file in found.items()}, rate)


def _finished(files: dict[str, Path], analyses: dict[str, Analysis], sample_rate: int) -> list[FinishedStem]:
    gains = relative_gains({name: analysis.lufs for name, analysis in analyses.items()})
    loudest = max(float(analysis.rms_columns.max()) for analysis in analyses.values())
    return [
        FinishedStem(
            name,
            files[name],
            render_waveform(analysis.rms_columns, scale=loudest),
            peaks_beside(files[name]),
            analysis,
            gains[name],
            sample_rate,
        )
        for name, analysis in analyses.items()
    ]


def peaks_beside(audio: Path) -> Path:
    """Return where the peaks of an audio file lie."""
    return audio.with_name(audio.name + PEAKS_SUFFIX)


def _encode(source: Path, target: Path, output: OutputConfig, together: _Progress) -> Analysis:
    with soundfile.SoundFile(str(source)) as stem:
        analyser = Analyser(frames=stem.frames, peaks=peaks_beside(target))
        with StemWriter(target, format=output.format, bitrate_kbps=output.bitrate, frames=stem.frames) as writer:
            for block in stem.blocks(BLOCK_FRAMES, dtype="float32", always_2d=True):
                if together.cancelled.is_set():
                    raise InterruptedError("another stem of this recording failed or was cancelled")
                analyser.push(block)
                writer.push(block)
                together.advance(len(block))
    source.unlink()
    return analyser.finish()
