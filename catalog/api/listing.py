"""The contract's lists, each from one statement; a profile's files are kept as bytes under its list_version."""

import hashlib
import threading
from pathlib import PurePath
from typing import Any

from django.http import Http404

from catalog.access import NO_PROFILE, VISIBLE_PROFILE, Person
from catalog.api.file_text import file, file_text, stem
from catalog.api.kept_answers import Answer, KeptAnswers
from catalog.media_urls import media_prefix, media_url
from catalog.models import Recording
from stemset.prepared import fetch

# To be changed with the shape of the answers, so that no browser keeps one of the shape before.
SHAPE = "1"
# How long a request waits for another one of this process that is writing the same list. Longer than any takes: if it
# ever does, both write it.
PATIENCE_SECONDS = 10

_PROFILES = f"SELECT name, source_folder FROM profiles WHERE {VISIBLE_PROFILE} ORDER BY name"  # noqa: S608
_PROFILE = f"SELECT name, source_folder FROM profiles WHERE name = %(name)s AND {VISIBLE_PROFILE}"  # noqa: S608

# The first row has the version, the others what file_text wants: one statement, so that the version is the one of these
# very rows. When the list is still the known one, `changed` is empty and no recording is read. Stems are looked up
# recording by recording, since a join would have the planner read everybody's stems for a small profile.
_FILES = f"""
    WITH profile AS MATERIALIZED (
        SELECT id, name, list_version FROM profiles WHERE name = %(name)s AND {VISIBLE_PROFILE}
    ),
    changed AS MATERIALIZED (SELECT id, name FROM profile WHERE list_version::text <> %(known)s)
    SELECT list_version::text, NULL, NULL, NULL, NULL, NULL FROM profile
    UNION ALL (
        SELECT recordings.output_name, to_json(recordings.id)::text, to_json(recordings.display_name)::text,
               to_json(recordings.created_at)::text, listed.names, listed.numbers
        FROM recordings CROSS JOIN LATERAL (
            SELECT json_agg(ARRAY[
                       stem_type,
                       substr(audio_url, length(recordings.output_name) + 3 + (SELECT length(name) FROM changed)),
                       substr(waveform_url, length(recordings.output_name) + 3 + (SELECT length(name) FROM changed))
                   ] ORDER BY stem_type)::text AS names,
                   string_agg(concat_ws(',', coalesce(measured_lufs::text, 'null'), peak_amplitude,
                                        stem_gain_adjustment_db, file_size_bytes, duration_seconds),
                              ',' ORDER BY stem_type) AS numbers
            FROM stems WHERE stems.recording_id = recordings.id
        ) AS listed
        WHERE recordings.profile_id = (SELECT id FROM changed)
        ORDER BY recordings.created_at DESC, recordings.id
    )
"""  # noqa: S608

_kept = KeptAnswers()
# Lists share a few locks, because anybody may ask for any name.
_writing = [threading.Lock() for _ in range(32)]


def profiles_of(user: Person) -> list[dict[str, str]]:
    """Return the profiles that a person may open."""
    return [_profile(user, *row) for row in fetch(_PROFILES, _who(user))]


def profile_of(user: Person, name: str) -> dict[str, str]:
    """Return the profile of that name. Raises Http404."""
    for row in fetch(_PROFILE, {"name": name, **_who(user)}):
        return _profile(user, *row)
    raise Http404(NO_PROFILE)


def files_of(user: Person, name: str) -> Answer:
    """Return the list of a profile's recordings with their stems, newest first. Raises Http404."""
    # One request at a time asks for a list: after a change the first one writes it and the others find it, instead of
    # all of them holding thousands of rows at once.
    lock = _writing[hash(name) % len(_writing)]
    mine = lock.acquire(timeout=PATIENCE_SECONDS)
    try:
        return _files_of(user, name)
    finally:
        if mine:
            lock.release()


def file_of(recording: Recording) -> dict[str, Any]:
    """Return one recording as the list has it, reading its stems."""
    stems = [
        stem(
            one.stem_type,
            media_url(one.audio_url),
            media_url(one.waveform_url, is_waveform=True),
            (
                one.measured_lufs,
                one.peak_amplitude,
                one.stem_gain_adjustment_db,
                one.file_size_bytes,
                one.duration_seconds,
            ),
        )
        for one in sorted(recording.stems.all(), key=lambda one: one.stem_type)
    ]
    return file(str(recording.pk), recording.output_name, recording.display_name, recording.created_at, stems)


def _files_of(user: Person, name: str) -> Answer:
    key = (name, media_prefix())
    kept = _kept.get(key)
    rows = fetch(_FILES, {"name": name, "known": kept.version if kept else "", **_who(user)})
    if not rows:
        raise Http404(NO_PROFILE)
    version = rows[0][0].decode()
    if kept and kept.version == version:
        return kept
    body = b"[" + b",".join([file_text(name, row) for row in rows[1:]]) + b"]"
    answer = Answer(version, _etag(version), body)
    _kept.keep(key, answer)
    return answer


def _etag(version: str) -> str:
    """Return the tag of a list: it changes with its version, its shape, and what its addresses begin and end with."""
    sample = media_url("profile/recording/stem_waveform.png", is_waveform=True)
    return f'"{hashlib.blake2b(f"{version} {SHAPE} {sample}".encode(), digest_size=16).hexdigest()}"'


def _who(user: Person) -> dict[str, Any]:
    return {"user_id": user.pk, "is_staff": user.is_staff}


def _profile(user: Person, name: str, source_folder: str) -> dict[str, str]:
    """Where a server keeps its sources is nobody's business: members get the folder's name, staff its whole path."""
    return {"name": name, "source_folder": source_folder if user.is_staff else PurePath(source_folder).name}
