"""Where a job's source lies, and getting hold of it on the machine that does the work."""

import contextlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import default_storage

from catalog import legacy
from catalog.storage import LocalStorage, storage
from processing.disk import naming_disk_troubles
from processing.errors import ProcessingError
from processing.models import Job
from processing.scanner import SourceFile, content_hash, displayable
from processing.workdir import work_folder

# Beside the profiles' folders; no profile can be called so.
INPUTS = legacy.INPUTS
SOURCE_CHANGED = "source_changed"


def input_key(profile_name: str, filename: str, file_hash: str) -> str:
    """Return the key under which an uploaded source is kept: one for each content, whatever it is called."""
    suffix = PurePosixPath(filename).suffix.lower()
    readable = suffix if suffix[1:].isalnum() and len(suffix) <= 8 else ""
    return f"{INPUTS}/{profile_name}/{file_hash}{readable}"


def reachable(source: SourceFile, profile_name: str, file_hash: str) -> str:
    """Return where workers find a source file: where it is, or in the object store, since any machine may do the work.

    Raises ProcessingError for a name that the database cannot keep, and what storage raises.
    """
    if isinstance(default_storage, LocalStorage):
        if Path(displayable(source.path)) != source.path or "\0" in source.name:
            raise ProcessingError(
                f"The name of {displayable(source.path)} is not proper text. Rename the file, or have it processed by "
                "`manage.py process` itself.",
                code="name_not_text",
            )
        return str(source.path)
    key = input_key(profile_name, source.name, file_hash)
    if not default_storage.exists(key):
        with source.path.open("rb") as stream:
            default_storage.save(key, File(stream))
    return key


@contextlib.contextmanager
def local_source(job: Job) -> Iterator[SourceFile]:
    """Yield the source as a file of this machine, and make sure that it is the one that was asked for.

    Raises ProcessingError when it is gone or another one, and what storage raises.
    """
    with contextlib.ExitStack() as stack:
        path = Path(job.source)
        if not path.is_absolute():
            path = _from_storage(job.source, stack)
        elif not path.exists():
            raise ProcessingError(
                f"{job.filename} is no longer where it was, or its disk is not plugged in. Put it back and try again.",
                code="source_gone",
            )
        source = SourceFile.at(path)
        if content_hash(source) != job.file_hash:
            raise ProcessingError(
                f"{job.filename} is not the same file any more as when it was found. Scan or upload it again.",
                code=SOURCE_CHANGED,
            )
        try:
            yield source
        except ProcessingError as error:
            # An upload is stored under its hash; people know it by its name.
            error.args = (str(error).replace(source.name, job.filename),)
            raise


def _from_storage(key: str, stack: contextlib.ExitStack) -> Path:
    if isinstance(default_storage, LocalStorage):
        path = Path(default_storage.path(key))
        if path.exists():
            return path
    else:
        path = stack.enter_context(work_folder(settings.STEMSET_WORK_DIR)) / PurePosixPath(key).name
        with contextlib.suppress(FileNotFoundError), naming_disk_troubles():
            storage().fetch(key, path)
            return path
    raise ProcessingError("The uploaded file is no longer there. Upload it again.", code="source_gone")
