"""Uploads that survive broken connections, reloads and restarts of the server: what is behind the tus protocol.

What has arrived is a file, and its size is the offset: nothing else can disagree with it. What is known of the upload
lies beside it. Both belong to one person and one profile. A server restart loses nothing; several servers need one
folder, or the same server for the same upload.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from django.http import Http404

from catalog.access import Person
from catalog.models import Profile
from processing.models import Job
from processing.uploads import limits
from processing.uploads.accepting import Arrived, accept
from processing.uploads.body import Body, release_connection
from processing.uploads.refusals import UploadRefused, naming_full_disks
from processing.uploads.spool import PART, STATE, folder, locked, write_all
from processing.uploads.sweeping import EXPIRE_SECONDS, sweep

NO_UPLOAD = "There is no such upload: it is over, or it was left for more than a day. Begin again."
BUSY = "This upload is being written to by another connection. Try again in a few seconds."
MOST_OPEN = 100
_is_id = re.compile(r"[0-9a-f]{32}").fullmatch


@dataclass(frozen=True)
class Upload:
    """What is known of an upload besides its bytes."""

    id: str
    user_id: str
    profile_id: str
    filename: str
    length: int
    # Once everything has come.
    job_id: str = ""

    @property
    def path(self) -> Path:
        """Where its bytes are."""
        return folder() / f"{self.id}{PART}"

    @property
    def offset(self) -> int:
        """How many bytes have arrived. Raises Http404."""
        if self.job_id:
            return self.length
        with _gone_is_missing():
            return self.path.stat().st_size

    @property
    def expires_at(self) -> float:
        """When it is given up if nothing more comes, in seconds since 1970."""
        with _gone_is_missing():
            return (_state_path(self.id) if self.job_id else self.path).stat().st_mtime + EXPIRE_SECONDS

    def save(self) -> None:
        """Write it down, whole or not at all."""
        path = _state_path(self.id)
        beside = path.with_suffix(".new")
        with naming_full_disks():
            beside.write_text(json.dumps(dataclasses.asdict(self)))
            beside.replace(path)


def begin(profile: Profile, by: Person, *, filename: str, length: int) -> Upload:
    """Begin an upload of so many bytes to a profile that the person may upload to. Raises UploadRefused."""
    limits.require_configured(profile)
    name = limits.require_name(filename)
    limits.require_size(length, limits.max_bytes())
    sweep()
    limits.require_disk(folder(), length)
    limits.require_quota(profile, length)
    if sum(upload.user_id == str(by.pk) for upload in _unfinished()) >= MOST_OPEN:
        raise UploadRefused(429, f"You have begun {MOST_OPEN} uploads that are not finished. Finish or cancel some.")
    upload = Upload(uuid.uuid4().hex, str(by.pk), str(profile.pk), name, length)
    upload.save()
    with naming_full_disks():
        upload.path.touch(exist_ok=False)
    return upload


def find(upload_id: str, profile: Profile, by: Person) -> Upload:
    """Return an upload of a person to a profile, or raise Http404."""
    upload = _read(_state_path(upload_id)) if _is_id(upload_id) else None
    if upload is None or upload.user_id != str(by.pk) or upload.profile_id != str(profile.pk):
        raise Http404(NO_UPLOAD)
    if upload.expires_at < time.time():
        raise Http404(NO_UPLOAD)
    return upload


def append(upload: Upload, offset: int, body: Body, check: Callable[[bytes], None], intact: Callable[[], bool]) -> int:
    """Add a body's bytes, which begin at `offset`, and return the new offset. What has come stays, also on failures.

    `check` gets the bytes on their way; when `intact` then says no, they are taken off again.
    Raises UploadRefused: 423 while another connection writes, 409 for another offset, 413 for too many bytes.
    """
    if upload.job_id:
        _require_room(upload, _require_offset(upload.length, offset), body)
        return upload.length
    with _exclusive(upload) as stream:
        start = _require_offset(os.fstat(stream.fileno()).st_size, offset)
        _require_room(upload, start, body)
        release_connection()
        stream.seek(start)
        for block in body.blocks():
            check(block)
            write_all(stream, block)
        if not intact():
            stream.truncate(start)
            raise UploadRefused(460, "The bytes did not arrive as they were sent. Send them again.", may_pass=True)
        return start + body.length


def finish(upload: Upload, profile: Profile, by: Person) -> str:
    """Return the id of the job of an upload whose bytes are all there.

    Raises as `accepting.accept` does. What can never be taken is thrown away.
    """
    if upload.job_id:
        return upload.job_id
    with _exclusive(upload) as stream, _keeping_what_may_pass(upload):
        return _accepted(upload, stream, profile, by)


def collect(upload: Upload, bring: Callable[[Path], None], profile: Profile, by: Person, stored_as: str) -> str:
    """Return the id of the job of an upload that came another way: `bring` fills its file, unless it has a job.

    Raises as `finish` does, and UploadRefused (423) while somebody else is at it.
    """
    with naming_full_disks():
        upload.path.touch()
    with _exclusive(upload) as stream:
        if job_id := job_of(upload):
            upload.path.unlink()
            return job_id
        upload.save()
        with _keeping_what_may_pass(upload):
            try:
                bring(upload.path)
            except BaseException:
                stream.truncate(0)  # it is brought anew next time
                raise
            return _accepted(upload, stream, profile, by, stored_as)


def _accepted(upload: Upload, stream: FileIO, profile: Profile, by: Person, stored_as: str = "") -> str:
    stream.seek(0)
    digest = hashlib.file_digest(stream, "sha256").hexdigest()
    job: Job = accept(Arrived(upload.path, upload.filename, upload.length, digest, stored_as), profile, by)
    dataclasses.replace(upload, job_id=str(job.pk)).save()
    upload.path.unlink()
    return str(job.pk)


@contextlib.contextmanager
def _keeping_what_may_pass(upload: Upload) -> Iterator[None]:
    """Throw an upload away when it is refused for good."""
    try:
        yield
    except (UploadRefused, Http404) as error:
        if not getattr(error, "may_pass", False):
            _remove(upload)
        raise


def job_of(upload: Upload) -> str:
    """Return the id of the job of an upload as it was written down, or nothing."""
    known = _read(_state_path(upload.id))
    return known.job_id if known else ""


def give_up(upload: Upload) -> None:
    """Throw an upload away. Raises UploadRefused (423) while another connection writes."""
    if upload.job_id:
        _remove(upload)
        return
    with _exclusive(upload):
        _remove(upload)


def _unfinished() -> Iterator[Upload]:
    for path in folder().glob(f"*{PART}"):
        upload = _read(path.with_suffix(STATE))
        if upload is not None:
            yield upload


def _state_path(upload_id: str) -> Path:
    return folder() / f"{upload_id}{STATE}"


def _read(path: Path) -> Upload | None:
    try:
        return Upload(**json.loads(path.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _remove(upload: Upload) -> None:
    _state_path(upload.id).unlink(missing_ok=True)
    upload.path.unlink(missing_ok=True)


def _require_offset(there: int, said: int) -> int:
    if there != said:
        raise UploadRefused(409, f"{there} bytes have arrived, so the next ones cannot begin at {said}.", may_pass=True)
    return there


def _require_room(upload: Upload, start: int, body: Body) -> None:
    if start + body.length > upload.length:
        raise UploadRefused(413, "That is more than the upload was to have.")


@contextlib.contextmanager
def _exclusive(upload: Upload) -> Iterator[FileIO]:
    with _gone_is_missing():
        try:
            with locked(upload.path) as stream:
                yield stream
        except BlockingIOError:
            raise UploadRefused(423, BUSY, may_pass=True) from None


@contextlib.contextmanager
def _gone_is_missing() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise Http404(NO_UPLOAD) from None
