"""What the database alone tells: the queries of the migration document, and beyond."""

import hashlib
from array import array
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from django.conf import settings
from django.db import connection

from catalog.legacy.paths import folded
from catalog.models import Profile, Recording
from catalog.verifying.findings import Finding, finding

RECORDS = """
    SELECT 'profiles' as table, COUNT(*) FROM profiles
    UNION SELECT 'audio_files', COUNT(*) FROM audio_files
    UNION SELECT 'recordings', COUNT(*) FROM recordings
    UNION SELECT 'stems', COUNT(*) FROM stems
    UNION SELECT 'users', COUNT(*) FROM users
"""
_ORPHANED_STEMS = "SELECT id, audio_url FROM stems WHERE recording_id NOT IN (SELECT id FROM recordings)"
_ORPHANED_AUDIO_FILES = "SELECT id, filename FROM audio_files WHERE profile_id NOT IN (SELECT id FROM profiles)"
_UNUSED = """
    SELECT p.name, a.filename FROM audio_files a JOIN profiles p ON p.id = a.profile_id
    WHERE p.name = ANY(%s) AND NOT EXISTS (SELECT FROM stems s WHERE s.audio_file_id = a.id)
"""
_DUPLICATES = """
    SELECT p.name, a.filename, array_agg(DISTINCT r.output_name ORDER BY r.output_name)
    FROM stems s JOIN recordings r ON r.id = s.recording_id JOIN profiles p ON p.id = r.profile_id
    JOIN audio_files a ON a.id = s.audio_file_id
    WHERE p.name = ANY(%s) GROUP BY p.name, a.id HAVING count(DISTINCT r.id) > 1
"""
ROWS = 2000


def records() -> dict[str, int]:
    """Return how many rows each table has."""
    with connection.cursor() as cursor:
        cursor.execute(RECORDS)
        return dict(sorted(cursor.fetchall()))


def orphans() -> list[Finding]:
    """Find rows that point at nothing."""
    stems = [
        finding("orphaned_stem", url, f"the stem {key} belongs to a recording that is not there")
        for key, url in _rows(_ORPHANED_STEMS)
    ]
    sources = [
        finding("orphaned_audio_file", filename, f"the source {key} belongs to a profile that is not there")
        for key, filename in _rows(_ORPHANED_AUDIO_FILES)
    ]
    return stems + sources


def odd_sources(profiles: list[str]) -> list[Finding]:
    """Find sources of several recordings in one profile, and of none."""
    duplicates = [
        finding("duplicate_source", f"{profile}/{names[0]}", f"has the source of {', '.join(names[1:5])}: {filename}")
        for profile, filename, names in _rows(_DUPLICATES, [profiles])
    ]
    unused = [
        finding("source_unused", f"{profile}/{filename}", "is a source of which there is no recording")
        for profile, filename in _rows(_UNUSED, [profiles])
    ]
    return duplicates + unused


def profiles_and_configuration(names: list[str], in_storage: Iterable[str]) -> list[Finding]:
    """Compare profiles in the database and in storage with config.yaml."""
    rows = set(Profile.objects.values_list("name", flat=True))
    configured = {profile.name for profile in settings.STEMSET.profiles}
    known = rows | configured
    found = [
        finding("profile_not_configured", name, "is in the database, but config.yaml does not name it")
        for name in sorted((rows - configured) & set(names))
    ]
    found += [
        finding("profile_not_in_database", name, "is in config.yaml, but has nothing in the database yet")
        for name in sorted((configured - rows) & set(names))
    ]
    found += [
        finding("profile_folder_unknown", name, "is a folder in storage that is no profile's")
        for name in sorted((set(in_storage) - known) & set(names))
    ]
    found += [
        finding("names_alike", alike[0], f"profiles differ only in case: {', '.join(alike)}")
        for alike in _alike(known)
        if set(alike) & set(names)
    ]
    return found


class Names:
    """Finds a profile's recordings whose names differ only in case or accents, with 8 bytes of memory for each."""

    def __init__(self, profile: str) -> None:
        self._profile = profile
        self._prints = array("Q")

    def add(self, names: Iterable[str]) -> None:
        """Take note of names."""
        self._prints.extend(_print(name) for name in names)

    def findings(self) -> list[Finding]:
        """Return a finding for each group of names that are alike."""
        ordered = sorted(self._prints)
        twice = {one for one, other in pairwise(ordered) if one == other}
        if not twice:
            return []
        names = Recording.objects.filter(profile__name=self._profile).order_by().values_list("output_name", flat=True)
        suspects = [name for name in names.iterator(chunk_size=ROWS) if _print(name) in twice]
        return [
            finding("names_alike", f"{self._profile}/{alike[0]}", f"differ only in case or accents: {', '.join(alike)}")
            for alike in _alike(suspects)
        ]


def _print(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(folded(name).encode(), digest_size=8).digest())


def _alike(names: Iterable[str]) -> list[list[str]]:
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        groups.setdefault(folded(name), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def _rows(statement: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
