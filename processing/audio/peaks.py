"""The shape of a stem at several resolutions, and its loudness over time, as the mixer page draws them.

docs/waveforms.md has the format. A point is the least and the greatest sample and the root mean square of its frames,
all channels together.
"""

import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from processing.audio.loudness import loudness_of

MAGIC = b"STEMPEAK"
VERSION = 1
FRAMES_PER_POINT = 256  # of the finest level
STEP = 16  # a level has at most so many times as many points as the one above it
COARSEST_POINTS = 4096  # what is drawn first is at most as long; enough for a wall screen
LOUDNESS_STEPS = 2  # per dB
LOUDNESS_FLOOR = 100  # dB below full scale that count as silence
POINT = np.dtype([("low", "i1"), ("high", "i1"), ("rms", "u1")])
_HEADER = struct.Struct("<8sHHIQIf")
_LEVEL = struct.Struct("<III")
_OFFSET = struct.Struct("<I")
# What is kept of the finest level until the end: its energies are not rounded yet, so that no coarser one is wrong.
_ROW = np.dtype([("low", "i1"), ("high", "i1"), ("energy", "<f4")])
_MEMORY_BYTES = 4 << 20  # some hours; the rest waits on the disk
_ROWS_AT_ONCE = 1 << 16
_LOUDEST = 1e9  # float32 holds the energy of a point up to here

Block = NDArray[np.float32]


class PeaksMeter:
    """Push finite float32 blocks of shape (n, channels), full scale ±1, then `write`.

    folder  where what does not fit into memory goes
    """

    def __init__(self, folder: Path) -> None:
        self._spool = tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES, dir=str(folder))  # noqa: SIM115
        self._rest: Block | None = None
        self._frames = 0
        self._channels = 1

    def push(self, block: Block) -> None:
        """Take some more of the stem."""
        self._frames += len(block)
        self._channels = block.shape[1]
        if self._rest is not None and len(self._rest):
            block = np.concatenate([self._rest, block])
        whole = len(block) // FRAMES_PER_POINT
        self._keep(block[: whole * FRAMES_PER_POINT].reshape(whole, FRAMES_PER_POINT * self._channels))
        self._rest = block[whole * FRAMES_PER_POINT :].copy()

    def _keep(self, samples: Block) -> None:
        """Take points of equal length, a row each."""
        if not samples.size:
            return
        low, high = samples.min(axis=1), samples.max(axis=1)
        if max(float(high.max()), -float(low.min())) > _LOUDEST:
            samples = np.clip(samples, -_LOUDEST, _LOUDEST)
        rows = np.empty(len(samples), _ROW)
        rows["low"], rows["high"] = _rounded(low, 127), _rounded(high, 127)
        rows["energy"] = np.einsum("ij,ij->i", samples, samples)
        self._spool.write(rows.tobytes())

    def write(self, stream: IO[bytes], *, sample_rate: int, powers: NDArray[np.float64], power_seconds: float) -> None:
        """Write everything that was pushed, in constant memory. Nothing can be pushed after that.

        powers         K-weighted mean square over time (LoudnessMeter.over_time)
        power_seconds  length of each of them
        """
        if self._rest is not None and len(self._rest):
            self._keep(self._rest.reshape(1, -1))
            self._rest = None
        points = -(-self._frames // FRAMES_PER_POINT)
        factors = levels(points)
        offset = _HEADER.size + len(factors) * _LEVEL.size + _OFFSET.size
        table = b""
        loudness_offset = offset
        for place, factor in enumerate(factors):
            count = -(-points // factor)
            table += _LEVEL.pack(FRAMES_PER_POINT * factor, count, offset)
            offset += count * POINT.itemsize
            if place == 0:  # what is read first lies together
                loudness_offset = offset
                offset += len(powers)
        stream.write(
            _HEADER.pack(MAGIC, VERSION, len(factors), sample_rate, self._frames, len(powers), power_seconds)
            + table
            + _OFFSET.pack(loudness_offset)
        )
        for place, factor in enumerate(factors):
            for some in self._points(factor):
                stream.write(some.tobytes())
            if place == 0:
                stream.write(_loudness(powers).tobytes())

    def _points(self, factor: int) -> Iterator[NDArray[np.void]]:
        """Yield the points of a level, each made of `factor` of the finest, some at a time."""
        self._spool.seek(0)
        done = 0
        while data := self._spool.read(_ROWS_AT_ONCE * _ROW.itemsize):
            rows = np.frombuffer(data, _ROW)
            starts = np.arange(0, len(rows), factor)
            points = np.empty(len(starts), POINT)
            points["low"] = np.minimum.reduceat(rows["low"], starts)
            points["high"] = np.maximum.reduceat(rows["high"], starts)
            energy = np.add.reduceat(rows["energy"].astype(np.float64), starts)
            ends = np.minimum((done + starts + factor) * FRAMES_PER_POINT, self._frames)
            frames = ends - (done + starts) * FRAMES_PER_POINT
            points["rms"] = _rounded(np.sqrt(energy / (frames * self._channels)), 255)
            done += len(rows)
            yield points

    def __del__(self) -> None:
        self._spool.close()  # of a pass that failed, too


def levels(points: int) -> list[int]:
    """Return how many of the finest points one of each level is made of, coarse to fine, ending in 1.

    points  of the finest level
    """
    factors = [1]
    while points > COARSEST_POINTS * factors[-1]:
        # As many as are missing, in a power of two: the coarsest level is to fill a window.
        step = 2
        while step < STEP and points > COARSEST_POINTS * factors[-1] * step:
            step *= 2
        factors.append(factors[-1] * step)
    return factors[::-1]


def _rounded(values: NDArray[np.floating], full_scale: int) -> NDArray[np.floating]:
    rounded: NDArray[np.floating] = np.rint(np.clip(values, -1, 1) * full_scale)
    return rounded


def _loudness(powers: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Half decibels above -100 LUFS; 0 is silence."""
    steps = [(loudness_of(power) + LOUDNESS_FLOOR) * LOUDNESS_STEPS if power > 0 else 0.0 for power in powers.tolist()]
    return np.clip(np.rint(steps), 0, 255).astype(np.uint8)
