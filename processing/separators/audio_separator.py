"""The neural engine: every model of the library audio-separator (Roformer, Demucs, MDX, VR), in a process of its own.

The library brings torch and several GB with it, so it has an environment of its own (docs/neural.md). Nothing here
imports it: the five models that config.yaml files have always named are in a table, the rest is looked up in
the library's data files.
"""

import difflib
import importlib.metadata
import importlib.util
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

from processing.audio import Progress
from processing.errors import AudioError, ModelError, ProcessingError
from processing.separators.audio_separator_worker import output_name
from processing.separators.wavefiles import WorkingFile
from processing.separators.weights import model_folder

PROJECT = Path(__file__).resolve().parents[2]
WORKER = Path(__file__).with_name("audio_separator_worker.py")
INSTALL = "python -m venv .venv-neural && .venv-neural/bin/pip install --require-hashes -r requirements/neural.txt"
# The revision is ours: raise it with any change to the worker that changes what it makes.
REVISION = 1
_SUFFIXES = (".ckpt", ".onnx", ".pth", ".yaml")
_LOG_TAIL = 2000  # characters of the library's log that an error shows
_WAKE = 0.5  # seconds without news after which progress is told again: it is where a job notices that it is cancelled
# Weights that nobody signed are run there, so it gets what finding a GPU and the way out needs, and no secrets.
_PASSED_ON = {"PATH", "HOME", "LANG", "TMPDIR", "TZ", "USER", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"}
_PASSED_ON_PREFIXES = ("LC_", "CUDA_", "NVIDIA_", "OMP_", "MKL_", "TORCH_", "PYTORCH_", "HF_", "XDG_", "SSL_CERT_")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy", "requests_ca_bundle")


@dataclass(frozen=True)
class Model:
    """What must be known of a model before anything is installed.

    file      its name in the library
    outputs   the stems it makes
    residual  the output that gets what the others leave of the mix, if one of them stands for the rest
    """

    file: str
    outputs: tuple[str, ...]
    residual: str | None

    @property
    def aliases(self) -> dict[str, str]:
        """Other names under which config.yaml files ask for an output: a two-stem model's rest has several."""
        if self.residual is None or len(self.outputs) != 2:
            return {}
        target = next(output for output in self.outputs if output != self.residual)
        names = {f"not_{target}", "other"} | ({"instrumental"} if target == "vocals" else set())
        return dict.fromkeys(sorted(names - set(self.outputs)), self.residual)


_FOUR = ("vocals", "drums", "bass", "other")
MODELS = {
    model.file: model
    for model in (
        Model("htdemucs_ft.yaml", _FOUR, "other"),
        Model("hdemucs_mmi.yaml", _FOUR, "other"),
        Model("vocals_mel_band_roformer.ckpt", ("vocals", "other"), "other"),
        Model("kuielab_b_drums.onnx", ("drums", "not_drums"), "not_drums"),
        Model("kuielab_a_bass.onnx", ("bass", "not_bass"), "not_bass"),
    )
}


def load(name: str) -> "AudioSeparatorEngine":
    """Return the engine for a model's name as config.yaml writes it, installed or not.

    Raises ModelError (code "model_unknown") when neither the table above nor the installed library's data says what the
    model makes.
    """
    return AudioSeparatorEngine(name, find_model(name))


def find_model(name: str) -> Model:
    """Look a model up by its file name in the library, or by that name without ".yaml"."""
    file = name if name.endswith(_SUFFIXES) else f"{name}.yaml"
    if file in MODELS:
        return MODELS[file]
    environment = find_environment()
    known = MODELS | (library_models(environment.package) if environment else {})
    if file in known:
        return known[file]
    if environment is None:
        raise ModelError(
            f"Unknown model {name!r}. Known without the neural environment are {', '.join(sorted(MODELS))}; "
            f"to look among the rest of audio-separator's models: {INSTALL}",
            code="model_unknown",
        )
    near = difflib.get_close_matches(file, known, n=5, cutoff=0.4) or sorted(MODELS)
    raise ModelError(
        f"Unknown model {name!r}: audio-separator {environment.version} says of {len(known)} models which stems "
        f"they make, and it is none of them. Perhaps one of these: {', '.join(near)}.",
        code="model_unknown",
    )


def library_models(package: Path) -> dict[str, Model]:
    """Read from the library's folder which models it knows the stems of (about half of those it can run)."""
    try:
        listed: dict[str, Any] = json.loads((package / "models-scores.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"audio-separator in {package} is damaged: {error}. Install it again: {INSTALL}") from error
    return {
        file: _model(file, entry["stems"], entry.get("target_stem"))
        for file, entry in listed.items()
        if entry.get("stems")
    }


def _model(file: str, stems: list[str], target: str | None) -> Model:
    outputs = tuple(output_name(stem) for stem in stems)
    residual = "other" if "other" in outputs else None
    if residual is None and target is not None and len(outputs) == 2:
        residual = next((output for output in outputs if output != output_name(target)), None)
    return Model(file, outputs, residual)


@dataclass(frozen=True)
class Environment:
    """Where the library is installed: its interpreter, its folder and its version."""

    python: str
    package: Path
    version: str


def find_environment() -> Environment | None:
    """Find the library: under STEMSET_NEURAL_PYTHON if that is set, else here, else in .venv-neural."""
    chosen = os.environ.get("STEMSET_NEURAL_PYTHON")
    if chosen:
        # Not resolved: what a virtual environment's link points to is another environment.
        return _environment_of(os.path.abspath(shutil.which(chosen) or chosen))
    spec = importlib.util.find_spec("audio_separator")
    if spec is not None and spec.submodule_search_locations:
        version = importlib.metadata.version("audio-separator")
        return Environment(sys.executable, Path(spec.submodule_search_locations[0]), version)
    python = PROJECT / ".venv-neural" / "bin" / "python"
    return _environment_of(str(python)) if python.exists() else None


_ASK = """
import importlib.metadata, importlib.util, json
spec = importlib.util.find_spec("audio_separator")
print(json.dumps(spec and [spec.submodule_search_locations[0], importlib.metadata.version("audio-separator")]))
"""


def _environment_of(python: str) -> Environment | None:
    try:
        return _ask(python)
    except LookupError:
        return None


@cache  # remembers what it finds; an exception is not remembered, so a later installation is noticed
def _ask(python: str) -> Environment:
    """Ask another interpreter for the library, without importing it there. Raises LookupError."""
    try:
        answer = subprocess.run([python, "-P", "-c", _ASK], capture_output=True, timeout=60, check=True)
        package, version = json.loads(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError, TypeError) as error:
        raise LookupError(python) from error
    return Environment(python, Path(package), version)


class AudioSeparatorEngine:
    """One model of the library; a Separator.

    aliases  other names for its outputs, see Model.aliases
    """

    def __init__(self, name: str, model: Model) -> None:
        environment = find_environment()
        self.name = name
        self.version = f"audio-separator {environment.version if environment else 'not installed'}, {REVISION}"
        self.outputs = model.outputs
        self.aliases = model.aliases
        self._model = model

    def check(self) -> None:
        """Raise ModelError (code "model_not_installed"), with the command to install it, when the library is not there.

        Weights that are not in the model folder yet are fetched by the library when the model first runs.
        """
        self._environment()

    def separate(self, source: Path, destination: Path, progress: Progress) -> dict[str, Path]:
        """Split a recording; see Separator. Raises ModelError when the model cannot be loaded or fetched."""
        environment = self._environment()
        with WorkingFile(source) as mix:
            frames = mix.frames
        scratch = Path(tempfile.mkdtemp(prefix=".separating-", dir=destination))
        try:
            self._run(environment, source, scratch, progress)
            made = {output: _checked(scratch / f"{output}.wav", frames) for output in self.outputs}
            return {output: path.replace(destination / path.name) for output, path in made.items()}
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _environment(self) -> Environment:
        environment = find_environment()
        if environment is None:
            raise ModelError(
                f"The model {self.name} needs the library audio-separator, which is not installed in "
                f"{os.environ.get('STEMSET_NEURAL_PYTHON') or '.venv-neural'}. Install it (several GB): {INSTALL}",
                code="model_not_installed",
            )
        return environment

    def _run(self, environment: Environment, source: Path, scratch: Path, progress: Progress) -> None:
        command = [environment.python, "-P", str(WORKER), "--model", self._model.file]
        command += ["--models", str(model_folder() / "audio-separator")]
        command += ["--source", str(source), "--destination", str(scratch)]
        command += [f"--output={output}" for output in self.outputs]
        if self._model.residual is not None:
            command.append(f"--residual={self._model.residual}")
        with (
            tempfile.TemporaryFile() as log,
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
                cwd=scratch,
                env=_child_environment(),
            ) as child,
        ):
            try:
                failure = _follow(child, progress)
                status = child.wait()
            finally:
                # What `progress` raises cancels. All that the child leaves lies in the scratch folder.
                child.kill()
            if failure is None and status == 0:
                return
            raise _error(self.name, failure, status, _tail(log))


def _follow(child: subprocess.Popen[bytes], progress: Progress) -> dict[str, Any] | None:
    """Pass the child's progress on until it closes its output; return what it said went wrong, if anything."""
    failure = None
    fraction = 0.0
    for line in _lines(child):
        message = json.loads(line) if line else {}
        fraction = message.get("progress", fraction)
        failure = message if "error" in message else failure
        progress(fraction)
    return failure


def _lines(child: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """Yield the child's lines as they come, and an empty one whenever none has come for a moment."""
    assert child.stdout is not None  # noqa: S101  # it was started with a pipe
    rest = b""
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while True:
            if not selector.select(_WAKE):
                yield b""
                continue
            read = os.read(child.stdout.fileno(), 65536)
            if not read:
                return
            *lines, rest = (rest + read).split(b"\n")
            yield from lines


def _checked(path: Path, frames: int) -> Path:
    """Return `path` if it is a stem in the working format with that many frames."""
    try:
        with WorkingFile(path) as stem:
            found = stem.frames
    except AudioError as error:
        raise ProcessingError(f"The stem {path.stem} was not written: {error}", code="separation") from error
    if found != frames:
        raise ProcessingError(f"The stem {path.stem} has {found} samples instead of {frames}.", code="separation")
    return path


def _error(name: str, failure: dict[str, Any] | None, status: int, log: str) -> ProcessingError:
    if failure is not None:
        kind, message = failure["kind"], failure["error"]
    elif status < 0:
        kind = "separation"
        message = f"The process was ended by {signal.Signals(-status).name}"
        message += "; did the machine run out of memory?" if status == -signal.SIGKILL else "."
    else:
        kind, message = "separation", f"The process ended with status {status}."
    text = f"{name}: {message}\nThe end of its log:\n{log}"
    return ModelError(text) if kind == "model" else ProcessingError(text, code="separation")


def _tail(log: IO[bytes]) -> str:
    log.seek(max(0, log.seek(0, os.SEEK_END) - 4 * _LOG_TAIL))
    return log.read().decode("utf-8", "replace").strip()[-_LOG_TAIL:]


def _child_environment() -> dict[str, str]:
    passed_on = {
        name: value
        for name, value in os.environ.items()
        if name in _PASSED_ON or name.startswith(_PASSED_ON_PREFIXES) or name.lower() in _PROXIES
    }
    return passed_on | {"TQDM_DISABLE": "1"}  # its bars would fill the log's tail
