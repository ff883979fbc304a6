"""There and back: what was imported is exported as it was, and the catalogue answers the questions people ask it."""

import io
import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from django.core.management import call_command
from django.db import connection
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings

from catalog.models import AudioFile, Profile, Recording, Stem
from catalog.services import rename_recording
from tests.importing import catalogue, import_metadata, row_versions
from tests.legacy_store import STEMS, LegacyStore
from tests.legacy_strategies import stores

pytestmark = pytest.mark.django_db(transaction=True)


def export(target: Path) -> dict[str, bytes]:
    call_command("export_metadata", "--to", str(target), stdout=io.StringIO(), stderr=io.StringIO())
    return LegacyStore(target).documents()


def empty_the_catalogue() -> None:
    for model in (Stem, Recording, AudioFile, Profile):
        model.objects.all().delete()


@hypothesis_settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(description=stores())
def test_any_store_comes_back_byte_for_byte(band, settings, description):
    empty_the_catalogue()
    with TemporaryDirectory() as folder:
        store = description.write(Path(folder) / "media")
        settings.MEDIA_ROOT = store.root
        assert import_metadata().code == 0
        assert export(Path(folder) / "export") == store.documents()
        before = row_versions()
        # Importing what was exported changes nothing either.
        for document in (Path(folder) / "export").rglob("*.json"):
            shutil.copy2(document, store.root / document.relative_to(Path(folder) / "export"))
        again = import_metadata()
        assert (again.code, again.totals["unchanged"]) == (0, again.totals["folders"])
        assert row_versions() == before


@pytest.mark.parametrize("generation", ["V0", "V0'", "V1", "V2", "V3", "V4", "V5", "V6", "V7"])
def test_an_older_generation_comes_back_field_for_field(band, media, tmp_path, generation):
    store = LegacyStore(media)
    store.folder("band", "Take", generation=generation, extra={"tags": [1]} if generation >= "V3" else None)
    import_metadata()
    written = json.loads(export(tmp_path / "export")["band/Take/metadata.json"])
    assert list(written["stems"]) == list(STEMS) or generation[:2] == "V0"
    for stem in Stem.objects.all():
        entry = written["stems"][stem.stem_type]
        assert entry["measured_lufs"] == (None if stem.measured_lufs is None else round(stem.measured_lufs, 2))
        assert entry["peak_amplitude"] == round(stem.peak_amplitude, 4)
        assert entry["stem_gain_adjustment_db"] == pytest.approx(stem.stem_gain_adjustment_db, abs=0.005)
        assert (entry["stem_url"], entry["waveform_url"]) == (
            f"{stem.stem_type}.opus",
            f"{stem.stem_type}_waveform.png",
        )
    if generation >= "V3":
        assert written["tags"] == [1]
    # The older version would read it; this one learns nothing new from it.
    before = row_versions()
    shutil.copy2(tmp_path / "export/band/Take/metadata.json", media / "band/Take/metadata.json")
    assert import_metadata().totals["unchanged"] == 1
    assert row_versions() == before


def test_what_one_export_wrote_makes_the_same_catalogue_elsewhere(band, media, tmp_path):
    store = LegacyStore(media)
    for generation in ("V1", "V4", "V8"):
        store.folder("band", f"Take_{generation}", generation=generation, display_name="Named")
    import_metadata()
    Recording.objects.filter(output_name="Take_V4").update(display_name="Renamed here")
    call_command("export_metadata", "--to", "storage", stdout=io.StringIO(), stderr=io.StringIO())
    before = [(row[:3], row[4], [stem[0] for stem in row[5]]) for row in catalogue()]
    versions = row_versions()
    assert import_metadata().totals["unchanged"] == 3
    assert row_versions() == versions
    empty_the_catalogue()
    assert import_metadata().code == 0
    assert [(row[:3], row[4], [stem[0] for stem in row[5]]) for row in catalogue()] == before


# The statements of the specification, character for character.
COUNTS = """
SELECT 'profiles' as table, COUNT(*) FROM profiles
UNION SELECT 'audio_files', COUNT(*) FROM audio_files
UNION SELECT 'recordings', COUNT(*) FROM recordings
UNION SELECT 'stems', COUNT(*) FROM stems
UNION SELECT 'users', COUNT(*) FROM users;
"""
STEM_COUNTS = """
SELECT r.output_name, COUNT(s.id) as stem_count
FROM recordings r
LEFT JOIN stems s ON s.recording_id = r.id
GROUP BY r.id, r.output_name;
"""
ORPHANED_STEMS = "SELECT COUNT(*) FROM stems WHERE recording_id NOT IN (SELECT id FROM recordings);"
ORPHANED_SOURCES = "SELECT COUNT(*) FROM audio_files WHERE profile_id NOT IN (SELECT id FROM profiles);"


def test_the_verification_queries_answer_as_promised(band, media):
    store = LegacyStore(media)
    for number in range(7):
        store.folder("band" if number % 2 else "second", f"Take_{number}", generation="V8" if number % 3 else "V2")
    import_metadata()

    def ask(query: str) -> list[tuple]:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()

    assert dict(ask(COUNTS)) == {"profiles": 2, "audio_files": 7, "recordings": 7, "stems": 28, "users": 0}
    assert dict(ask(STEM_COUNTS)) == {f"Take_{number}": 4 for number in range(7)}
    assert ask(ORPHANED_STEMS) == ask(ORPHANED_SOURCES) == [(0,)]


def test_the_number_of_statements_grows_by_batches_and_not_by_rows(band, media, monkeypatch):
    from django.test.utils import CaptureQueriesContext

    store = LegacyStore(media)
    counts = {}
    for recordings in (5, 100):
        for number in range(recordings):
            store.folder("band", f"Take_{number:03}", stems=("vocals", "bass"))
        with CaptureQueriesContext(
            connection,
        ) as first:
            import_metadata()
        with CaptureQueriesContext(connection) as second:
            import_metadata()
        counts[recordings] = (len(first), len(second))
        empty_the_catalogue()
    assert counts[5] == counts[100]


def seen() -> list[tuple]:
    """Everything that a user sees of the catalogue."""
    entries = catalogue()
    made = dict(Recording.objects.values_list("output_name", "strategy_name"))
    by = dict(Recording.objects.values_list("output_name", "made_by"))
    return [(*row[:3], row[4], made[row[1]], by[row[1]], [_rounded(stem) for stem in row[5]]) for row in entries]


def _rounded(stem: tuple) -> tuple:
    """A stem at the precision that metadata.json has."""
    name, lufs, peak, gain, *rest = stem
    return (name, None if lufs is None else round(lufs, 2), round(peak, 4), round(gain, 2), *rest)


def test_the_media_folder_alone_restores_the_catalogue(band, media, settings):
    """With sidecars on: drop the database, import, and everything that a user sees is back."""
    settings.STEMSET_SIDECARS = True
    store = LegacyStore(media)
    store.folder("band", "Old_take", display_name="Before", extra={"tags": ["live"]})
    import_metadata()
    band.record("made here.wav", seconds=1.0)
    band.record("made here too.wav", seconds=1.0, seed=2)
    call_command("process", "band", stdout=io.StringIO())
    rename_recording(Recording.objects.get(output_name="Old_take"), "Renamed")
    rename_recording(
        Recording.objects.get(stems__audio_file__filename="made here.wav", stems__stem_type="bass"), "Ours"
    )
    before = seen()
    assert {row[2] for row in before} == {"Renamed", "Ours", ""}
    empty_the_catalogue()
    for source in band.source_folder.iterdir():
        source.unlink()  # even when the sources are gone
    assert import_metadata().code == 0
    assert seen() == before
    versions = row_versions()
    assert import_metadata().totals["unchanged"] == 3
    assert row_versions() == versions
