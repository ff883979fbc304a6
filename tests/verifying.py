"""A catalogue to be verified and repaired in tests, and the defects that are made in it."""

import contextlib
import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections

from catalog.locks import Lock, exclusive
from catalog.models import DeletedRecording, Profile, Stem
from tests.band import Band
from tests.importing import import_metadata
from tests.legacy_store import LegacyStore


@dataclass
class Run:
    """What a verification found, and its exit code."""

    code: int
    document: dict[str, Any]

    @property
    def found(self) -> set[tuple[str, str, str]]:
        """Severity, code and subject of each finding."""
        return {(one["severity"], one["code"], one["subject"]) for one in self.document["findings"]}

    @property
    def codes(self) -> set[str]:
        return {one["code"] for one in self.document["findings"]}

    def only(self, code: str) -> dict[str, Any]:
        """The one finding of that code."""
        (finding,) = [one for one in self.document["findings"] if one["code"] == code]
        return finding


def verify(*options: str, jobs: int = 1) -> Run:
    """Run the command."""
    out = io.StringIO()
    code = 0
    try:
        call_command("verify_catalog", *options, "--json", "--jobs", str(jobs), stdout=out, stderr=io.StringIO())
    except SystemExit as end:
        code = int(end.code or 0)
    return Run(code, json.loads(out.getvalue()))


class Shelf:
    """A store with one imported recording of a known source, `folder`, and others as wanted."""

    def __init__(self, band: Band, media: Path) -> None:
        self.band = band
        self.store = LegacyStore(media)
        self.folder = self.add("Take 1", seed=1)

    def add(self, name: str, *, seed: int, profile: str = "band", **kind: Any) -> Path:
        """Write a recording with its source."""
        path, digest = self.store.source(f"in/{name}.wav", seconds=1, seed=seed)
        assert path.parent == self.band.source_folder
        return self.store.folder(profile, f"{name.replace(' ', '_')}_{digest[:8]}", seconds=1, **kind)

    @property
    def path(self) -> str:
        return f"band/{self.folder.name}"

    def swap(self, file: str, content: bytes) -> None:
        """Put other content of the same size into a file."""
        path = self.folder / file
        path.write_bytes(content[: path.stat().st_size].ljust(path.stat().st_size, b"?"))


@pytest.fixture
def shelf(band: Band, media: Path) -> Shelf:
    """The profile "band" with one imported recording, and "second" with one made here of the same source."""
    shelf = Shelf(band, media)
    assert import_metadata("--profile", "band").code == 0
    call_command("process", "second", stdout=io.StringIO())
    return shelf


def locked_by_others(profile: str, file_hash: str) -> contextlib.AbstractContextManager[None]:
    """Hold a recording's lock as another process would."""
    return held_by_others(f"{profile}\0{file_hash}")


@contextlib.contextmanager
def held_by_others(name: str) -> Iterator[None]:
    """Hold a lock as another process would."""
    key = Lock.key_of(name)
    with contextlib.closing(connections.create_connection("default")) as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [key])
        with exclusive(name) as lock:
            assert not lock.mine
        yield
        # The server notices a closed connection a moment later.
        cursor.execute("SELECT pg_advisory_unlock(%s)", [key])


# Each makes one defect and returns the name of the file concerned.


def deleted_leftover(media: Path) -> Path:
    """Have a recording that was deleted while storage was away, and return the file that stayed."""
    path = media / "band/gone/vocals.opus"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"audio")
    files = [f"band/gone/{name}" for name in ("vocals.opus", "metadata.json")]
    band = Profile.objects.get(name="band")
    DeletedRecording.objects.create(profile=band, output_name="gone", title="Gone", files=files)
    return path


def audio_missing(shelf: Shelf) -> str:
    (shelf.folder / "vocals.opus").unlink()
    return "vocals.opus"


def audio_empty(shelf: Shelf) -> str:
    (shelf.folder / "drums.opus").write_bytes(b"")
    return "drums.opus"


def resized(shelf: Shelf) -> str:
    shelf.store.stem_file(shelf.folder, "bass", seconds=1.2)
    return "bass.opus"


def audio_unreadable(shelf: Shelf) -> str:
    shelf.swap("other.opus", b"OggS but then nothing")
    return "other.opus"


def waveform_missing(shelf: Shelf) -> str:
    (shelf.folder / "vocals_waveform.png").unlink()
    return "vocals_waveform.png"


def waveform_empty(shelf: Shelf) -> str:
    (shelf.folder / "vocals_waveform.png").write_bytes(b"")
    return "vocals_waveform.png"


def peaks_missing(shelf: Shelf) -> str:
    vocals = Stem.objects.filter(audio_url=f"{shelf.path}/vocals.opus")
    vocals.update(peaks_url=f"{shelf.path}/vocals.opus.peaks")
    return "vocals.opus.peaks"


def peaks_empty(shelf: Shelf) -> str:
    (shelf.folder / "vocals.opus.peaks").write_bytes(b"")
    return peaks_missing(shelf)


def file_refused(shelf: Shelf) -> str:
    outside = shelf.store.root.parent / "elsewhere.opus"
    shutil.move(shelf.folder / "vocals.opus", outside)
    (shelf.folder / "vocals.opus").symlink_to(outside)
    return "vocals.opus"


def duration_wrong(shelf: Shelf) -> str:
    Stem.objects.filter(audio_url=f"{shelf.path}/bass.opus").update(duration_seconds=0)
    return "bass.opus"


def file_not_catalogued(shelf: Shelf) -> str:
    shelf.store.stem_file(shelf.folder, "kazoo", seconds=1)
    return "kazoo.opus"


def file_unknown(shelf: Shelf) -> str:
    shelf.store.file(shelf.folder, "lyrics.txt", b"la la la")
    return "lyrics.txt"


@dataclass
class Repairs:
    """What the repairs came to, and the exit code."""

    code: int
    document: dict[str, Any]

    @property
    def results(self) -> list[tuple[str, str]]:
        """Status and subject of each result."""
        return [(one["status"], one["subject"]) for one in self.document["results"]]

    @property
    def details(self) -> str:
        return "\n".join(one["detail"] for one in self.document["results"])


def repair(*options: str, jobs: int = 1) -> Repairs:
    """Run the command."""
    out = io.StringIO()
    code = 0
    try:
        call_command("repair", *options, "--json", "--jobs", str(jobs), stdout=out, stderr=io.StringIO())
    except SystemExit as end:
        code = int(end.code or 0)
    return Repairs(code, json.loads(out.getvalue()))


def stem(shelf: Shelf, name: str) -> Stem:
    return Stem.objects.get(recording__profile__name="band", stem_type=name)
