"""A profile's list_version changes with whatever its list shows, whoever writes, and with nothing else."""

import threading
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction

from catalog import services
from catalog.models import AudioFile, Profile, Recording, Stem
from tests.factories import make_audio_file, make_profile, make_recording

pytestmark = pytest.mark.django_db


def band() -> Profile:
    return Profile.objects.get(name="band")


def recording() -> Recording:
    return Recording.objects.get(profile__name="band", output_name="a")


def drums() -> "Stem":
    return Stem.objects.get(recording=recording(), stem_type="drums")


def update_drums(**columns: object) -> None:
    Stem.objects.filter(pk=drums().pk).update(**columns)


def update_recording(**columns: object) -> None:
    Recording.objects.filter(pk=recording().pk).update(**columns)


def sql(statement: str, *parameters: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def copy_a_recording() -> None:
    columns = "id, profile_id, output_name, display_name, strategy_name, made_by"
    row = (uuid4(), band().pk, "c", "", "", "{}")
    with connection.cursor() as cursor, cursor.copy(f"COPY recordings ({columns}) FROM STDIN") as copy:
        copy.write_row(row)


def add_a_stem() -> None:
    stem = drums()
    stem.pk, stem.stem_type = uuid4(), "guitar"
    stem._state.adding = True
    stem.save()


CHANGES = {
    "a service renames": lambda: services.rename_recording(recording(), "New"),
    "psql renames": lambda: sql("UPDATE recordings SET display_name = 'x' WHERE id = %s", recording().pk),
    "a date": lambda: update_recording(created_at="2020-01-01T00:00:00Z"),
    "a folder": lambda: update_recording(output_name="moved"),
    "another profile's now": lambda: update_recording(profile=Profile.objects.create(name="third")),
    "a new recording": lambda: make_recording(band(), "c"),
    "COPY": copy_a_recording,
    "a recording goes": lambda: recording().delete(),
    "a stem goes": lambda: drums().delete(),
    "a new stem": add_a_stem,
    "silence": lambda: update_drums(measured_lufs=None),
    "a measurement": lambda: update_drums(peak_amplitude=0.25),
    "a gain": lambda: update_drums(stem_gain_adjustment_db=3),
    "a new file": lambda: update_drums(audio_url="band/a/new.opus"),
    "a new waveform": lambda: update_drums(waveform_url="band/a/new.png"),
    "a size": lambda: update_drums(file_size_bytes=1),
    "a length": lambda: update_drums(duration_seconds=1),
    "a kind": lambda: update_drums(stem_type="cymbals"),
    "a stem moves": lambda: update_drums(recording=make_recording(make_profile("third"), stem_types=[])),
    "all stems go": lambda: sql("SET CONSTRAINTS ALL IMMEDIATE; TRUNCATE stems"),
}
NO_CHANGES = {
    "nothing": lambda: None,
    "the same again": lambda: update_recording(display_name=""),
    "a note of the importer": lambda: update_recording(metadata_json="{}", strategy_name="s", imported_at=None),
    "a checksum": lambda: update_drums(file_sha256="0" * 64),
    "another source": lambda: update_drums(audio_file=make_audio_file(band())),
    "a source is renamed": lambda: AudioFile.objects.update(filename="x"),
    "a folder of sources": lambda: Profile.objects.update(source_folder="/elsewhere"),
}


@pytest.fixture
def versions():
    """Return the versions of "band" and "second", which have two recordings each."""
    for name in ("band", "second"):
        profile = make_profile(name)
        make_recording(profile, "a")
        make_recording(profile, "b")

    def versions() -> tuple[UUID, UUID]:
        first, second = Profile.objects.filter(name__in=["band", "second"]).order_by("name")
        return first.list_version, second.list_version

    return versions


@pytest.mark.parametrize("change", CHANGES)
def test_changes_with_what_the_list_shows(versions, change):
    before = versions()
    CHANGES[change]()
    after = versions()

    assert after[0] != before[0]
    assert after[1] == before[1] or change == "all stems go"


@pytest.mark.parametrize("change", NO_CHANGES)
def test_stays_otherwise(versions, change):
    before = versions()
    NO_CHANGES[change]()

    assert versions() == before


def test_a_change_taken_back_was_none(versions):
    before = versions()
    with transaction.atomic():
        update_recording(display_name="x")
        assert versions() != before
        transaction.set_rollback(True)

    assert versions() == before


def test_a_version_never_comes_again(versions):
    seen = {versions()[0]}
    for name in ["x", "", "x", ""]:
        update_recording(display_name=name)
        seen.add(versions()[0])

    assert len(seen) == 5


@pytest.mark.django_db(transaction=True)
def test_people_who_rename_do_not_wait_in_a_circle(versions):
    """Each takes the profile's lock before the recordings'; the other order would be a deadlock soon."""
    names = ["a", "b"]
    failed: list[Exception] = []

    def rename_both(order: list[str]) -> None:
        try:
            for number in range(25):
                with transaction.atomic():
                    for output_name in order:
                        found = Recording.objects.get(profile__name="band", output_name=output_name)
                        services.rename_recording(found, f"{number} {order}")
        except Exception as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=rename_both, args=[order]) for order in (names, names[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []
