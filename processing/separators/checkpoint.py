"""Reading Spleeter's published checkpoints without trusting them.

Each is a zip holding one pickle: a dict of float32 arrays. A pickle may name any function of any module and have it
called; this reader knows the four names that arrays need and refuses every other.
"""

import _codecs
import pickle
import zipfile
from typing import IO, Any

import numpy as np
from numpy._core.multiarray import _reconstruct
from numpy.typing import NDArray

from processing.errors import ModelError

type Weights = dict[str, NDArray[np.float32]]

_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _codecs.encode,
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} has no business in a checkpoint") from None


def read_checkpoint(file: IO[bytes]) -> Weights:
    """Return the arrays of a checkpoint by name. Raises ModelError for anything that is not one."""
    try:
        with zipfile.ZipFile(file) as archive:
            (name,) = (entry for entry in archive.namelist() if entry.endswith("/data.pkl"))
            with archive.open(name) as pickled:
                weights = _ArrayUnpickler(pickled).load()
    except (zipfile.BadZipFile, pickle.UnpicklingError, EOFError, ValueError, TypeError) as error:
        raise ModelError(f"This is not a Spleeter checkpoint: {error}.") from error
    if not isinstance(weights, dict) or not all(
        isinstance(key, str) and isinstance(value, np.ndarray) and value.dtype == np.float32
        for key, value in weights.items()
    ):
        raise ModelError("This is not a Spleeter checkpoint: it holds something other than float32 arrays.")
    return weights
