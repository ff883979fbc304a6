"""A float32 WAV file whose length need not be known when writing begins."""

import struct
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

_HEADER = struct.Struct("<4sI4s 4sIQQQI 4sIHHIIHHH 4sII 4sI")
_UNKNOWN = 0xFFFFFFFF
RIFF_LIMIT = 0xFFFFFFFF - 1  # bytes that a RIFF header can count


class FloatWav:
    """Writes blocks of float32 samples; closing completes the header.

    The header keeps room for the 64-bit sizes of RF64 (EBU Tech 3306): a file that stays below 4 GB is an ordinary
    WAV with a JUNK chunk, a longer one becomes RF64 in place. Closed by an exception, the file is removed.
    Raises OSError when it cannot be written.
    """

    def __init__(self, path: Path, *, sample_rate: int, channels: int) -> None:
        self.frames = 0
        self._path = path
        self._rate = sample_rate
        self._channels = channels
        self._file = path.open("wb")
        try:
            self._file.write(self._header())
        except BaseException:
            self._discard()
            raise

    def write(self, block: NDArray[np.float32]) -> None:
        """Append a C-contiguous float32 block of shape (frames, channels)."""
        self._file.write(block.astype("<f4", copy=False).data)
        self.frames += len(block)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._discard()
            return
        try:
            self._file.seek(0)
            self._file.write(self._header())
            self._file.close()
        except BaseException:
            self._discard()
            raise

    def _discard(self) -> None:
        try:
            self._file.close()
        finally:
            self._path.unlink(missing_ok=True)

    def _header(self) -> bytes:
        width = 4 * self._channels
        data = self.frames * width
        total = _HEADER.size - 8 + data
        large = total > RIFF_LIMIT
        return _HEADER.pack(
            b"RF64" if large else b"RIFF", _UNKNOWN if large else total, b"WAVE",
            b"ds64" if large else b"JUNK", 28, *((total, data, self.frames) if large else (0, 0, 0)), 0,
            b"fmt ", 18, 3, self._channels, self._rate, self._rate * width, width, 32, 0,
            b"fact", 4, _UNKNOWN if large else self.frames,
            b"data", _UNKNOWN if large else data,
        )  # fmt: skip
