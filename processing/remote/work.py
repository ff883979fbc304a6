"""What a remote worker of ours does for a job: everything between its source and its stems in the object store.

It runs in a process of its own, as the jobs of our other workers do, and asks no database.
"""

import os
import signal
import threading
from multiprocessing import connection
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

import django
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from stemset.commands import terminate_like_ctrl_c
from stemset.config.schema import PROFILE_NAME, OutputConfig

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stemset.settings")
django.setup()

from django.conf import settings  # noqa: E402 - needs to be set up
from django.core.files.base import File  # noqa: E402
from django.core.files.storage import default_storage  # noqa: E402

from catalog.legacy.paths import is_plain  # noqa: E402
from catalog.storage import STORAGE_ERRORS, storage  # noqa: E402
from processing import executor  # noqa: E402
from processing.audio import no_progress  # noqa: E402
from processing.audio.decode import decode_to_wav  # noqa: E402
from processing.disk import naming_disk_troubles  # noqa: E402
from processing.errors import ProcessingError  # noqa: E402
from processing.finishing import FinishedStem, finish_stems  # noqa: E402
from processing.jobs.child import leave_with_the_parent  # noqa: E402
from processing.jobs.failures import judge  # noqa: E402
from processing.strategies import require_ready, require_sound  # noqa: E402
from processing.workdir import sweep, work_folder  # noqa: E402

# What a child says at last: the names of the stems, or why there are none.
Said = tuple[Literal["done"], list[str]] | tuple[Literal["failed"], str]


def _plain(name: str) -> str:
    if not is_plain(name):
        raise ValueError("is not the name of a folder")
    return name


def _key(key: str) -> str:
    if not all(part not in ("", ".", "..") for part in key.split("/")) or "\0" in key:
        raise ValueError("is not a key")
    return key


class Task(BaseModel):
    """What a site asks for. Keys that it may have besides are not looked at."""

    model_config = ConfigDict(frozen=True)

    job_id: Annotated[str, Field(min_length=1, max_length=100)]
    profile_name: Annotated[str, Field(pattern=PROFILE_NAME)]
    strategy_name: str
    input_key: Annotated[str, AfterValidator(_key), Field(max_length=1024)]
    output_name: Annotated[str, AfterValidator(_plain), Field(max_length=300)]
    output_config: OutputConfig
    callback_url: Annotated[str, Field(pattern=r"^https?://\S+$", repr=False)]


def run(task: Task, out: "connection.Connection[Said, Any]") -> None:
    """Do it, in a child process, and say what became of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal reaches us too; the parent decides
    threading.Thread(target=leave_with_the_parent, daemon=True).start()
    try:
        with terminate_like_ctrl_c():
            out.send(("done", separate(task)))
    except KeyboardInterrupt:
        return  # stopped, or out of time: the parent knows
    except Exception as error:
        failure = judge(error)
        print(failure.detail, flush=True)  # noqa: T201 - for the operator; the site is told the sentence
        out.send(("failed", failure.text))


def separate(task: Task) -> list[str]:
    """Fetch the source, separate it, put the stems into the store and return their names.

    On any failure none of them stays. Raises ProcessingError and what storage raises.
    """
    tree = settings.STEMSET.strategies.get(task.strategy_name)
    if tree is None:
        raise ProcessingError(f"There is no strategy {task.strategy_name} here.", code="not_configured")
    require_sound(tree, f"strategies.{task.strategy_name}")
    require_ready(tree)
    # A folder of its own, since only this worker knows that nothing else is to be done for what lies in there.
    parent = settings.STEMSET_WORK_DIR / "remote"
    sweep(parent)
    with naming_disk_troubles(), work_folder(parent) as folder:
        source = folder / f"source{PurePosixPath(task.input_key).suffix}"
        try:
            storage().fetch(task.input_key, source)
        except FileNotFoundError:
            raise ProcessingError("The source is not in the store.", code="source_gone") from None
        wav = folder / "decoded.wav"
        decode_to_wav(source, wav, no_progress)
        source.unlink()
        executor.require_room(tree, wav, folder)
        lossless = executor.separate(tree, wav, folder, no_progress)
        wav.unlink()
        stems = finish_stems(lossless, folder, task.output_config, no_progress)
        _store(task, stems)
    return [stem.name for stem in stems]


def _store(task: Task, stems: list[FinishedStem]) -> None:
    stored: list[str] = []
    try:
        for stem in stems:
            stored.append(f"{task.profile_name}/{task.output_name}/{stem.audio.name}")
            with stem.audio.open("rb") as stream:
                default_storage.save(stored[-1], File(stream))
    except BaseException:
        try:
            for key in stored:
                default_storage.delete(key)
        except STORAGE_ERRORS:
            pass  # the site knows the names and clears up
        raise
