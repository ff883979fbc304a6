"""The baseline of benchmarks/api.py: a WSGI application that runs the one best statement and returns its bytes.

    BENCH_DSN=… MEDIA_ROOT=… gunicorn --config python:stemset.gunicorn --pythonpath benchmarks minimal_app:application

No framework, no sign-in, nothing kept: every list is read and written anew. Each thread has a connection of its own,
whose statements are prepared once. PostgreSQL writes each recording as JSON, and Python puts the percent-encoded folder
into its addresses: of the ways we tried (docs/performance.md) the quickest at 100, 1,000 and 5,000 recordings. It
writes names of stems and files as they are, because those of the benchmark need no quoting.
"""

import os
import threading
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg.types.string import ByteaBinaryLoader

PROFILES = """
    SELECT coalesce(concat('[', string_agg(
        concat('{"name":', to_json(name), ',"source_folder":', to_json(regexp_replace(source_folder, '.*/', '')), '}'),
        ',' ORDER BY name), ']'), '[]')
    FROM profiles"""
# \x01 stands for the recording's folder: it cannot be in JSON. LATERAL keeps the planner from reading all stems there
# are for a small profile.
FILES = """
    SELECT recordings.output_name,
        concat('{"id":"', recordings.id, '","name":', to_json(output_name), ',"display_name":', to_json(display_name),
               ',"created_at":', to_json(created_at), ',"status":"complete","stems":[', stems.written, ']}')
    FROM recordings CROSS JOIN LATERAL (
        SELECT string_agg(
            concat('{"stem_type":"', stem_type, '","measured_lufs":', coalesce(measured_lufs::text, 'null'),
                   ',"peak_amplitude":', peak_amplitude, ',"stem_gain_adjustment_db":', stem_gain_adjustment_db,
                   E',"audio_url":"\\x01', split_part(audio_url, '/', 3),
                   E'","waveform_url":"\\x01', split_part(waveform_url, '/', 3),
                   '","file_size_bytes":', file_size_bytes, ',"duration_seconds":', duration_seconds, '}'),
            ',' ORDER BY stem_type) AS written
        FROM stems WHERE recording_id = recordings.id) stems
    WHERE profile_id = (SELECT id FROM profiles WHERE name = %s) ORDER BY created_at DESC, recordings.id"""
MEDIA = Path(os.environ.get("MEDIA_ROOT", "."))
BLOCK = 64 * 1024
mine = threading.local()


def cursor() -> psycopg.Cursor[Any]:
    """Return this thread's cursor, which gives text as bytes."""
    if not hasattr(mine, "cursor"):
        connection = psycopg.connect(os.environ["BENCH_DSN"], autocommit=True, options="-c timezone=UTC")
        connection.prepare_threshold = 0
        mine.cursor = connection.cursor(binary=True)
        mine.cursor.adapters.register_loader("text", ByteaBinaryLoader)
    found: psycopg.Cursor[Any] = mine.cursor
    return found


@lru_cache(maxsize=16_384)
def folder(profile: str, output_name: str) -> bytes:
    """Return the address of a recording's files."""
    return f"/media/{quote(profile)}/{quote(output_name)}/".encode()


def files(profile: str) -> bytes:
    """Return the list of a profile's recordings."""
    rows = cursor().execute(FILES, [profile])
    return b"[%b]" % b",".join([row.replace(b"\x01", folder(profile, name)) for name, row in rows.fetchall()])


def profiles() -> bytes:
    """Return the list of all profiles."""
    row = cursor().execute(PROFILES).fetchone()
    return bytes(row[0]) if row else b"[]"


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer; what cannot be answered is an error of the benchmark."""
    path = environ["PATH_INFO"].encode("latin-1").decode()
    if path.startswith("/media/"):
        file = (MEDIA / path.removeprefix("/media/")).open("rb")
        length = os.fstat(file.fileno()).st_size
        start_response("200 OK", [("Content-Type", "audio/ogg"), ("Content-Length", str(length))])
        answer: Iterable[bytes] = environ["wsgi.file_wrapper"](file, BLOCK)
        return answer
    body = profiles() if path == "/api/profiles" else files(path.split("/")[3])
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
