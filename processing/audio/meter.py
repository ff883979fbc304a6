"""One pass over a stem: loudness, peak, the columns of its waveform picture, and its peaks file if that is wanted."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from processing.audio import SAMPLE_RATE
from processing.audio.decode import BLOCK_FRAMES, native_blocks, probe
from processing.audio.loudness import LoudnessMeter
from processing.audio.peaks import PeaksMeter
from processing.audio.source import check_parameters, shown
from processing.errors import AudioError

COLUMNS = 1920
SAFE_SQUARE = 1e15  # float32 holds the sum of a block's squares up to here

Block = NDArray[np.float32]


@dataclass(frozen=True)
class Analysis:
    """What one pass found.

    `lufs` is None for silence and anything else without measurable loudness; `peak` is the largest |sample| of all
    channels, linear, 1 = full scale; `rms_columns` is float64 of shape (1920,), linear, all channels together;
    `true_peak` (linear, BS.1770-4 annex 2) only if asked for. Nothing here is ever NaN or infinite.
    """

    lufs: float | None
    peak: float
    frames: int
    rms_columns: NDArray[np.float64]
    true_peak: float | None = None


@dataclass(frozen=True)
class FileAnalysis:
    """The analysis of a file, at the file's own sample rate, and what a catalogue wants to know besides."""

    analysis: Analysis
    sample_rate: int
    channels: int
    duration_seconds: float
    file_size_bytes: int


class Analyser:
    """Push float32 blocks of shape (n, channels), then `finish()`.

    `frames` is the number of frames to come: it fixes where the columns of the waveform lie. With fewer frames
    than columns each column shows the frame at its place. If it proves wrong, the columns past the end stay 0 or
    the last one takes the rest, and `Analysis.frames` tells the true number. NaN and infinity count as 0.

    With `peaks`, the path of a file to come, `finish` writes the stem's peaks there.
    """

    def __init__(
        self,
        *,
        frames: int,
        sample_rate: int = SAMPLE_RATE,
        channels: int = 2,
        true_peak: bool = False,
        peaks: Path | None = None,
    ) -> None:
        if frames < 0:
            raise ValueError("frames cannot be negative")
        self._loudness = LoudnessMeter(sample_rate=sample_rate, channels=channels)
        self._sample_rate = sample_rate
        self._peaks_path = peaks
        self._peaks = None if peaks is None else PeaksMeter(peaks.parent)
        self._channels = channels
        self._frames = 0
        self._peak = 0.0
        bins = max(1, min(frames, COLUMNS))
        self._edges = [i * frames // bins for i in range(bins + 1)]
        self._energy = np.zeros(bins)
        self._bin = 0
        self._oversampler = _TruePeak(sample_rate, channels) if true_peak else None

    def push(self, block: Block) -> None:
        if not len(block):
            return
        peak = _peak(block)
        if not np.isfinite(peak):
            block = np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0)
            peak = _peak(block)
        self._peak = max(self._peak, peak)
        self._loudness.push(block)
        self._add_columns(block, peak)
        if self._peaks is not None:
            self._peaks.push(block)
        if self._oversampler is not None:
            self._oversampler.push(block)

    def _add_columns(self, block: Block, peak: float) -> None:
        position = 0
        last = len(self._energy) - 1
        while position < len(block):
            end = len(block)
            if self._bin < last:
                end = min(end, position + self._edges[self._bin + 1] - self._frames)
            self._energy[self._bin] += _energy(block[position:end], peak)
            self._frames += end - position
            position = end
            if self._bin < last and self._frames == self._edges[self._bin + 1]:
                self._bin += 1

    def finish(self) -> Analysis:
        """The result for everything pushed. Call it once."""
        counts = np.diff(self._edges)
        counts[-1] = max(1, counts[-1], self._frames - self._edges[-2])
        rms = np.sqrt(self._energy / (counts * self._channels))
        place = np.arange(COLUMNS) * len(rms) // COLUMNS
        true_peak = None
        if self._oversampler is not None:
            true_peak = max(self._peak, self._oversampler.finish())
        if self._peaks is not None and self._peaks_path is not None:
            with self._peaks_path.open("wb") as stream:
                self._peaks.write(
                    stream,
                    sample_rate=self._sample_rate,
                    powers=self._loudness.over_time(),
                    power_seconds=self._loudness.point_seconds,
                )
        return Analysis(self._loudness.integrated(), self._peak, self._frames, rms[place], true_peak)


def analyse_file(path: Path, *, true_peak: bool = False, peaks: Path | None = None) -> FileAnalysis:
    """Analyse any readable audio file in one pass, in constant memory; write its peaks where `peaks` says.

    libsndfile reads what it reads fastest, FFmpeg the rest. Channels stay as they are: a mono file is measured as the
    one channel it has. Raises AudioError as decode.decode_blocks does.
    """
    wanted = _Wanted(true_peak, peaks)
    file = _by_libsndfile(path)
    if file is None:
        return _analyse_native(path, wanted)
    with file:
        rate, channels, declared = file.samplerate, file.channels, file.frames
        check_parameters(shown(path), rate, channels)

        def blocks() -> Iterator[Block]:
            file.seek(0)
            buffer = np.empty((BLOCK_FRAMES, channels), np.float32)
            while len(block := file.read(out=buffer)):
                yield block

        try:
            analysis = _analyse(blocks, declared, rate, channels, wanted)
        except soundfile.LibsndfileError as error:
            raise AudioError(
                f"“{shown(path)}” is damaged and cannot be read to its end. Copy it again.",
                code="audio_damaged_inside",
            ) from error
    if analysis.frames == 0:
        return _analyse_native(path, wanted)
    return FileAnalysis(analysis, rate, channels, analysis.frames / rate, path.stat().st_size)


def _by_libsndfile(path: Path) -> soundfile.SoundFile | None:
    """The open file, or None if FFmpeg is to read it, or to say why nobody can.

    Only by content that libsndfile decodes itself: its MP3 decoder writes complaints to standard error.
    """
    try:
        with path.open("rb") as file:
            if not file.read(4).startswith((b"RIFF", b"RF64", b"riff", b"fLaC", b"OggS", b"FORM", b"caff")):
                return None
        return soundfile.SoundFile(path)
    except (OSError, soundfile.LibsndfileError):
        return None


@dataclass(frozen=True)
class _Wanted:
    """What a pass is to find beyond what it always finds."""

    true_peak: bool
    peaks: Path | None


def _analyse_native(path: Path, wanted: _Wanted) -> FileAnalysis:
    promised = probe(path).duration_seconds or 0.0
    first = next(native_blocks(path))
    rate, channels = first.sample_rate, first.samples.shape[1]

    def blocks() -> Iterator[Block]:
        for block in native_blocks(path):
            if (block.sample_rate, block.samples.shape[1]) != (rate, channels):
                raise AudioError(
                    f"“{shown(path)}” changes its sample rate or channels on the way. Export it again.",
                    code="audio_absurd",
                )
            yield block.samples

    analysis = _analyse(blocks, round(promised * rate), rate, channels, wanted)
    return FileAnalysis(analysis, rate, channels, analysis.frames / rate, path.stat().st_size)


def _analyse(
    blocks: Callable[[], Iterator[Block]], declared: int, rate: int, channels: int, wanted: _Wanted
) -> Analysis:
    """One pass, and another one only if the header was wrong about the length."""
    while True:
        analyser = Analyser(
            frames=declared,
            sample_rate=rate,
            channels=channels,
            true_peak=wanted.true_peak,
            peaks=wanted.peaks,
        )
        for block in blocks():
            analyser.push(block)
        analysis = analyser.finish()
        if analysis.frames == declared:
            return analysis
        declared = analysis.frames


class _TruePeak:
    """The largest |value| between the samples too, by oversampling to at least 176 kHz."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        factor = 4 if sample_rate < 88_200 else 2 if sample_rate < 176_400 else 1
        self._stream = soxr.ResampleStream(sample_rate, sample_rate * factor, channels, dtype="float32")
        self._channels = channels
        self._peak = 0.0

    def push(self, block: Block, *, last: bool = False) -> None:
        dense = self._stream.resample_chunk(np.ascontiguousarray(block), last=last)
        if len(dense):
            self._peak = max(self._peak, _peak(dense))

    def finish(self) -> float:
        self.push(np.zeros((0, self._channels), np.float32), last=True)
        return self._peak


def _peak(block: Block) -> float:
    # two reductions read the block twice but, unlike abs(), write nothing
    return max(float(block.max()), -float(block.min()))


def _energy(block: Block, peak: float) -> float:
    flat = block.reshape(-1)
    if peak > SAFE_SQUARE:
        flat = flat.astype(np.float64)
    return float(np.dot(flat, flat))
