"""The contract's lists. A profile's files are written once and kept as bytes, under the version of the list."""

import hashlib
import threading
from functools import lru_cache
from pathlib import PurePath
from typing import Any
from uuid import UUID

from django.http import Http404

from catalog.access import NO_PROFILE, NO_RECORDING, OpenProfile, Person, open_profile, open_profiles
from catalog.api.file_text import file_texts
from catalog.api.kept_answers import Answer, KeptAnswers
from catalog.media_urls import media_prefix, media_url
from stemset.prepared import fetch

# To be changed with the shape of the answers, so that no browser keeps one of the shape before.
SHAPE = "1"
# How long a request waits for another one of this process that is writing the same list. Longer than any takes: if it
# ever does, both write it.
PATIENCE_SECONDS = 10

# What file_texts wants of a recording. Stems are looked up recording by recording, since a join would have the planner
# read everybody's stems for a small profile. Their files' paths are profile/recording/file.
_COLUMNS = """
    output_name::text, recordings.id::text, to_json(display_name)::text, to_json(recordings.created_at)::text,
    listed.names, listed.numbers
    FROM recordings CROSS JOIN LATERAL (
        SELECT string_agg(
                   concat_ws(chr(31), stem_type, split_part(audio_url, '/', 3), split_part(waveform_url, '/', 3)),
                   chr(31) ORDER BY stem_type) AS names,
               string_agg(concat_ws(',', coalesce(measured_lufs::text, 'null'), peak_amplitude,
                                    stem_gain_adjustment_db, file_size_bytes, duration_seconds),
                          ',' ORDER BY stem_type) AS numbers
        FROM stems WHERE stems.recording_id = recordings.id
    ) AS listed
"""
# The version comes first, in the same statement: so it is the one of these very rows.
_FILES = f"""
    SELECT list_version::text, NULL, NULL, NULL, NULL, NULL FROM profiles WHERE id = %(profile_id)s::uuid
    UNION ALL (
        SELECT {_COLUMNS} WHERE profile_id = %(profile_id)s::uuid ORDER BY recordings.created_at DESC, recordings.id
    )
"""  # noqa: S608
_FILE = f"SELECT {_COLUMNS} WHERE recordings.id = %(recording_id)s"

_kept = KeptAnswers()
# Lists share a few locks, which is simpler than one for each that is taken away again.
_writing = [threading.Lock() for _ in range(32)]


def profiles_of(user: Person) -> list[dict[str, str]]:
    """Return the profiles that a person may open."""
    return [_profile(user, profile) for profile in open_profiles(user)]


def profile_of(user: Person, name: str) -> dict[str, str]:
    """Return the profile of that name. Raises Http404."""
    return _profile(user, open_profile(user, name))


def files_of(user: Person, name: str) -> Answer:
    """Return the list of a profile's recordings with their stems, newest first. Raises Http404."""
    profile = open_profile(user, name)
    kept = _kept_list(profile)
    if kept is not None:
        return kept
    # After a change the first request writes the list and the others find it, instead of all of them holding thousands
    # of rows at once.
    lock = _writing[hash(name) % len(_writing)]
    mine = lock.acquire(timeout=PATIENCE_SECONDS)
    try:
        return _kept_list(profile) or _write_list(profile)
    finally:
        if mine:
            lock.release()


def file_of(profile: OpenProfile, recording_id: UUID) -> bytes:
    """Return one recording as the list has it. Raises Http404."""
    for text in file_texts(profile.name, fetch(_FILE, {"recording_id": recording_id})):
        return text
    raise Http404(NO_RECORDING)


def _kept_list(profile: OpenProfile) -> Answer | None:
    kept = _kept.get((profile.id, media_prefix()))
    return kept if kept is not None and kept.version == profile.list_version else None


def _write_list(profile: OpenProfile) -> Answer:
    rows = fetch(_FILES, {"profile_id": profile.id})
    if not rows:
        raise Http404(NO_PROFILE)
    version = rows[0][0].decode()
    body = b",".join(file_texts(profile.name, rows[1:])).join((b"[", b"]"))
    answer = Answer(version, _etag(version), body)
    _kept.keep((profile.id, media_prefix()), answer)
    return answer


def _etag(version: str) -> str:
    """Return the tag of a list: it changes with its version, its shape, and what its addresses begin and end with."""
    sample = media_url("profile/recording/stem_waveform.png", is_waveform=True)
    return f'"{hashlib.blake2b(f"{version} {SHAPE} {sample}".encode(), digest_size=16).hexdigest()}"'


def _profile(user: Person, profile: OpenProfile) -> dict[str, Any]:
    """Where a server keeps its sources is nobody's business: members get the folder's name, staff its whole path."""
    folder = profile.source_folder
    return {"name": profile.name, "source_folder": folder if user.is_staff else _last_part(folder)}


@lru_cache(maxsize=1024)
def _last_part(folder: str) -> str:
    return PurePath(folder).name
