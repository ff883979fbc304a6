"""The WAV files between engines: read at any position, written side by side, gone again when the work fails."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import soundfile

from processing.audio import CHANNELS, SAMPLE_RATE
from processing.errors import AudioError, ProcessingError
from processing.separators.stft import Samples

_LARGEST_WAV = 2**32 - 2**16  # bytes of audio that fit a WAV header's 32-bit sizes, with room for the header
_ABSURD = 2.0**16  # +96 dBFS: a damaged sample, like NaN and infinity
_BLOCK = 2**16  # samples per channel read at once by a pass over the whole file: 1.5 s


class WorkingFile:
    """A source in the working format, open for reading.

    Raises AudioError when it cannot be read, or is anything but float32, stereo, 44.1 kHz.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = soundfile.SoundFile(path)
        except (OSError, soundfile.LibsndfileError) as error:
            raise AudioError(f"{path} cannot be read as audio: {error}.") from error
        found = (self._file.subtype, self._file.channels, self._file.samplerate)
        if found != ("FLOAT", CHANNELS, SAMPLE_RATE):
            self._file.close()
            raise AudioError(
                f"{path} is not in the working format (FLOAT, {CHANNELS} channels, {SAMPLE_RATE} Hz) "
                f"but {found[0]}, {found[1]} channels, {found[2]} Hz: decode it first."
            )
        self.frames: int = self._file.frames

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, start: int, count: int) -> Samples:
        """Return the samples [start, start + count) as (channels, count); outside the file they are 0.

        So are samples that are no numbers or beyond +96 dBFS: one of them would spoil every cell it touches.
        """
        samples = np.zeros((CHANNELS, count), np.float32)
        begin, end = max(0, start), min(self.frames, start + count)
        if begin < end:
            self._file.seek(begin)
            block = self._file.read(end - begin, dtype="float32", always_2d=True)
            if len(block) != end - begin:
                raise AudioError(f"{self._path} ends after {begin + len(block)} of its {self.frames} samples.")
            with np.errstate(invalid="ignore"):
                samples[:, begin - start : end - start] = np.where(np.abs(block) < _ABSURD, block, 0).T
        return samples

    def blocks(self) -> Iterator[Samples]:
        """Read the file once from its start, as blocks of (channels, up to 2¹⁶)."""
        for start in range(0, self.frames, _BLOCK):
            yield self.read(start, min(_BLOCK, self.frames - start))


class StemWriter:
    """The stems of one source, growing together. Left with an exception, it deletes them.

    destination  an existing folder; the files are <output>.wav, float32, RF64 where WAV's 4 GB do not suffice
    frames       the length of the source, which every stem will have
    """

    def __init__(self, destination: Path, outputs: Sequence[str], frames: int) -> None:
        self.paths = {output: destination / f"{output}.wav" for output in outputs}
        self._frames = frames
        self._bytes = frames * CHANNELS * 4
        self._open = ExitStack()
        self._files: list[soundfile.SoundFile] = []

    def __enter__(self) -> Self:
        try:
            for path in self.paths.values():
                self._files.append(self._open.enter_context(self._create(path)))
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, __: TracebackType | None) -> None:
        if kind is not None:
            self._discard()

    def write(self, start: int, stems: Sequence[Samples]) -> None:
        """Append (channels, n) to every stem; `start` is the first one's position, before 0 or after the end is cut."""
        kept = slice(max(0, -start), max(0, self._frames - start))
        for file, stem in zip(self._files, stems, strict=True):
            try:
                file.write(stem[:, kept].T)
            except (AssertionError, OSError, soundfile.LibsndfileError) as error:
                raise _disk(Path(file.name)) from error

    def finish(self) -> dict[str, Path]:
        """Close the files and return them, each seen to be whole."""
        try:
            self._open.close()
        except soundfile.LibsndfileError as error:
            raise _disk(next(iter(self.paths.values()))) from error
        for path in self.paths.values():
            if path.stat().st_size < self._bytes:
                raise _disk(path)
        return self.paths

    def _create(self, path: Path) -> soundfile.SoundFile:
        container = "WAV" if self._bytes < _LARGEST_WAV else "RF64"
        try:
            return soundfile.SoundFile(
                path, "w", samplerate=SAMPLE_RATE, channels=CHANNELS, subtype="FLOAT", format=container
            )
        except (OSError, soundfile.LibsndfileError) as error:
            raise _disk(path) from error

    def _discard(self) -> None:
        with suppress(soundfile.LibsndfileError):  # a full disk may refuse the header, too
            self._open.close()
        for path in self.paths.values():
            with suppress(OSError):
                path.unlink()


def _disk(path: Path) -> ProcessingError:
    return ProcessingError(f"{path} cannot be written: is the disk full or the folder read-only?", code="disk_full")
