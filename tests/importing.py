"""Running the importer in tests, and looking at what it left: values for people, row versions for proof."""

import io
import json
from dataclasses import dataclass
from typing import Any

from django.core.management import call_command
from django.db import connection

from catalog.importing.items import Action
from catalog.models import Recording, Stem
from tests.legacy_store import LegacyStore

NAME = "Take_1_0123abcd"
PATH = f"band/{NAME}"


@dataclass
class Run:
    """What one run printed and how it ended."""

    code: int
    document: dict[str, Any]
    messages: str

    @property
    def totals(self) -> dict[str, Any]:
        return self.document["totals"]

    def item(self, path: str) -> dict[str, Any]:
        """The item of one folder."""
        (item,) = [item for item in self.document["items"] if item["path"] == path]
        return item

    def done(self, path: str) -> tuple[str, str]:
        """Action and code of one folder."""
        item = self.item(path)
        return item["action"], item["code"]

    def notes(self, path: str) -> dict[str, dict[str, Any]]:
        """The notes about one folder, by code."""
        return {note["code"]: note for note in self.item(path)["notes"]}


def import_metadata(*options: str, jobs: int = 1) -> Run:
    """Run the command, reading one file at a time unless told otherwise."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    try:
        call_command("import_metadata", *options, "--json", "--jobs", str(jobs), stdout=out, stderr=err)
    except SystemExit as end:
        code = int(end.code or 0)
    return Run(code, json.loads(out.getvalue()), err.getvalue())


TABLES = ("profiles", "audio_files", "recordings", "stems", "users", "user_profiles", "import_runs")


def row_versions() -> dict[str, list[tuple[Any, ...]]]:
    """Which transaction wrote each row last, and where it lies: any write at all changes this."""
    versions = {}
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT id::text, xmin::text, ctid::text FROM {table} ORDER BY id")  # noqa: S608
            versions[table] = cursor.fetchall()
    return versions


def catalogue() -> list[tuple[Any, ...]]:
    """Everything that people see of the catalogue, without keys and moments of writing."""
    stems: dict[Any, list[Any]] = {}
    for stem in Stem.objects.select_related("audio_file").order_by("stem_type"):
        source = stem.audio_file
        stems.setdefault(stem.recording_id, []).append(
            (
                stem.stem_type,
                stem.measured_lufs,
                stem.peak_amplitude,
                stem.stem_gain_adjustment_db,
                stem.audio_url,
                stem.waveform_url,
                stem.file_size_bytes,
                stem.duration_seconds,
                source.filename,
                source.file_hash,
                source.hash_provenance,
            )
        )
    recordings = Recording.objects.select_related("profile").order_by("profile__name", "output_name")
    return [
        (r.profile.name, r.output_name, r.display_name, r.metadata_json, r.created_at, stems.get(r.id, []))
        for r in recordings
    ]


def document(store: LegacyStore, name: str = NAME) -> dict[str, Any]:
    """The metadata.json of a folder, read."""
    return json.loads((store.root / "band" / name / "metadata.json").read_bytes())


def recording(name: str = NAME) -> Recording:
    """The recording of a folder."""
    return Recording.objects.get(output_name=name)


def stem(stem_type: str, name: str = NAME) -> Stem:
    """One of its stems."""
    return Stem.objects.get(recording__output_name=name, stem_type=stem_type)


def settled() -> None:
    """A further run finds nothing to do and writes nothing."""
    before = row_versions()
    run = import_metadata()
    assert not any(run.totals[action] for action in (Action.CREATE, Action.HEAL, Action.UPDATE)), run.document["items"]
    assert row_versions() == before
