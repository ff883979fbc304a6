"""Reading a peaks file in tests, by the format's description and nothing else."""

import struct
from dataclasses import dataclass
from itertools import pairwise

import numpy as np


@dataclass
class PeaksFile:
    """A peaks file. `levels` are (frames per point, array of shape (points, 3)), coarse to fine: low, high, rms."""

    sample_rate: int
    frames: int
    levels: list[tuple[int, np.ndarray]]
    loudness: np.ndarray
    loudness_seconds: float


def read_peaks(data: bytes) -> PeaksFile:
    """Read it, and insist that nothing overlaps and nothing is left over."""
    magic, version, count, rate, frames, points, seconds = struct.unpack_from("<8sHHIQIf", data)
    assert (magic, version) == (b"STEMPEAK", 1)
    table = [struct.unpack_from("<III", data, 32 + 12 * place) for place in range(count)]
    (loudness_at,) = struct.unpack_from("<I", data, 32 + 12 * count)
    used = [(36 + 12 * count, 36 + 12 * count), (loudness_at, loudness_at + points)]
    levels = []
    for frames_per_point, length, offset in table:
        assert length == -(-frames // frames_per_point)
        low_high = np.frombuffer(data, np.int8, length * 3, offset).reshape(-1, 3)
        rms = np.frombuffer(data, np.uint8, length * 3, offset).reshape(-1, 3)[:, 2]
        levels.append((frames_per_point, np.column_stack([low_high[:, :2].astype(int), rms])))
        used.append((offset, offset + length * 3))
    used.sort()
    assert all(end == start for (_, end), (start, _) in pairwise(used))
    assert used[-1][1] == len(data)
    return PeaksFile(rate, frames, levels, np.frombuffer(data, np.uint8, points, loudness_at), seconds)
