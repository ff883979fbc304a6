"""The picture of a stem's loudness over time."""

import io

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

WIDTH, HEIGHT = 1920, 256
_HALF = HEIGHT // 2


def render_waveform(rms_columns: ArrayLike, *, scale: float) -> bytes:
    """A 1920×256 PNG: one column per RMS value, opaque white on transparent, mirrored around the middle.

    `rms_columns` has shape (1920,), linear and ≥ 0; `scale` is the RMS that fills the height, normally the largest
    column of all stems of the recording, so that their pictures compare. A column is at least one pixel on either
    side, so silence (or `scale` 0) is a thin centre line. The same input gives the same bytes.
    """
    columns = np.asarray(rms_columns, np.float64)
    if columns.shape != (WIDTH,):
        raise ValueError(f"a waveform has {WIDTH} columns, not {columns.shape}")
    if not (np.isfinite(columns).all() and np.isfinite(scale)):
        raise ValueError("RMS values and scale must be finite")
    reach: NDArray[np.float64] = columns / scale * _HALF if scale > 0 else np.zeros(WIDTH)
    height = np.clip(np.rint(reach), 1, _HALF)
    # rows count 0, 1, 2, ... from the middle outwards
    distance = np.concatenate([np.arange(_HALF)[::-1], np.arange(_HALF)])
    shape = distance[:, np.newaxis] < height
    # Two colours: one bit per pixel, with the transparent one named in a tRNS chunk.
    image = Image.frombytes("P", (WIDTH, HEIGHT), shape.astype(np.uint8).tobytes())
    image.putpalette([255, 255, 255, 255, 255, 255])
    buffer = io.BytesIO()
    image.save(buffer, "PNG", bits=1, transparency=0, optimize=False, compress_level=9)
    return buffer.getvalue()
