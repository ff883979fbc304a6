"""Sidecars: each recording's metadata.json in storage follows every change, so the media folder alone can restore it.

Switched on by STEMSET_SIDECARS. A sidecar is written after the change is committed, from what the catalogue has then
and not from what changed: whoever writes last, the file ends up with the final state. What the older version changed in
the file since the last import is not written over: an import merges it first.
"""

import logging
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import connection, transaction

from catalog.exporting import ExportError
from catalog.exporting.bucket import BucketTarget
from catalog.exporting.documents import metadata_text
from catalog.exporting.folder import FolderTarget
from catalog.exporting.locks import hold_sidecars
from catalog.exporting.pending import STORE_CHANGED, pending_metadata
from catalog.exporting.snapshot import RecordingState, current
from catalog.exporting.targets import Document, Refused, Target, refuse_name
from catalog.models import Recording
from catalog.storage import LocalStorage, ObjectStorage

logger = logging.getLogger(__name__)

# Who changes a recording does not wait longer for somebody else's slow store.
PATIENCE = "10s"


def follow(recording_id: UUID) -> None:
    """Have a recording's sidecar written when the transaction that is open commits, if sidecars are switched on."""
    if settings.STEMSET_SIDECARS:
        transaction.on_commit(partial(_write_or_log, recording_id))


def write(recording_id: UUID, *, patience: str = "0", overwrite: bool = False) -> bool:
    """Bring a recording's metadata.json in storage up to date; return whether it had to be written.

    patience   how long to wait for somebody else who writes it (PostgreSQL's lock_timeout); 0 is as long as it takes
    overwrite  whether to write also over what was changed in storage since the last import, or damaged

    Raises Refused (of the code STORE_CHANGED for such a file), ExportError, OSError or OperationalError.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [patience])
        hold_sidecars([recording_id])
        state = current(recording_id)
        if state is None or not state.stems:
            return False
        if refused := refuse_name(state.output_name):
            raise refused
        text = metadata_text(state)
        written = _put(target_of(default_storage), state, text, overwrite=overwrite)
        if text != state.metadata_json:
            # Not save(): nothing that people see has changed.
            Recording.objects.filter(pk=recording_id).update(metadata_json=text)
    return written


def target_of(storage: Any) -> Target:
    """Return the target that a storage is. Raises ExportError for one that is neither ours."""
    if isinstance(storage, LocalStorage):
        return FolderTarget(Path(storage.location), is_storage=True)
    if isinstance(storage, ObjectStorage):
        return BucketTarget(storage)
    raise ExportError(f"Nothing can be written to a storage of the kind {storage.__class__.__name__}.")


def _put(target: Target, state: RecordingState, text: str, *, overwrite: bool) -> bool:
    document = Document(state.key, text.encode())
    (answer,) = target.are_current([document])
    if answer is True:
        return False
    refused = answer if isinstance(answer, Refused) else None
    if not refused and not overwrite:
        (there,) = target.read([document])
        if isinstance(there, bytes):
            refused = pending_metadata(there, state.metadata_json, text, made_here=state.made_here)
        else:
            refused = there
    if not refused:
        (refused,) = target.write([document])
    if refused:
        raise refused
    return True


def _write_or_log(recording_id: UUID) -> None:
    """Never raises: the change is committed, and stays."""
    try:
        write(recording_id, patience=PATIENCE)
    except Refused as refused:
        if refused.code == STORE_CHANGED:
            logger.warning("The metadata.json of recording %s %s. The catalogue has the change.", recording_id, refused)
        else:
            _log(recording_id, str(refused))
    except (ExportError, OSError, BotoCoreError, ClientError) as error:
        _log(recording_id, str(error))
    except Exception as error:
        logger.exception("Writing the sidecar of recording %s failed unexpectedly", recording_id)
        _log(recording_id, str(error))


def _log(recording_id: UUID, reason: str) -> None:
    logger.warning(
        "The metadata.json of recording %s could not be written to storage: %s. The catalogue has the change; "
        "`manage.py export_metadata --to storage` brings the file up to date.",
        recording_id,
        reason,
    )
