"""The tables: names that people query, constraints that keep out what cannot be, and no migration forgotten."""

import io
import uuid

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from accounts.models import User
from catalog.models import AudioFile, Profile, Recording, Stem

pytestmark = pytest.mark.django_db

# People run these as they stand; so does this test.
VERIFICATION_QUERIES = [
    """
    -- Count records by table
    SELECT 'profiles' as table, COUNT(*) FROM profiles
    UNION SELECT 'audio_files', COUNT(*) FROM audio_files
    UNION SELECT 'recordings', COUNT(*) FROM recordings
    UNION SELECT 'stems', COUNT(*) FROM stems
    UNION SELECT 'users', COUNT(*) FROM users;
    """,
    """
    -- Verify recording has all expected stems
    SELECT r.output_name, COUNT(s.id) as stem_count
    FROM recordings r
    LEFT JOIN stems s ON s.recording_id = r.id
    GROUP BY r.id, r.output_name;
    """,
    """
    -- Check for orphaned records
    SELECT COUNT(*) FROM stems WHERE recording_id NOT IN (SELECT id FROM recordings);
    """,
    "SELECT COUNT(*) FROM audio_files WHERE profile_id NOT IN (SELECT id FROM profiles);",
]
COLUMNS = {
    "users": "id email name picture_url created_at last_login_at",
    "profiles": "id name source_folder strategy_name created_at",
    "user_profiles": "user_id profile_id created_at",
    "audio_files": "id profile_id filename file_hash storage_url file_size_bytes duration_seconds uploaded_at",
    "recordings": "id profile_id output_name display_name created_at updated_at",
    "stems": (
        "id recording_id audio_file_id stem_type measured_lufs peak_amplitude stem_gain_adjustment_db audio_url "
        "waveform_url file_size_bytes duration_seconds created_at"
    ),
}


def make_recording() -> Recording:
    profile = Profile.objects.create(name="band", source_folder="/in", strategy_name="s")
    audio = AudioFile.objects.create(
        profile=profile,
        filename="a.wav",
        file_hash="a" * 64,
        storage_url="/in/a.wav",
        file_size_bytes=1,
        duration_seconds=1,
    )
    recording = Recording.objects.create(profile=profile, output_name="a_aaaaaaaa")
    for stem in ("vocals", "drums"):
        Stem.objects.create(**stem_fields(recording, audio, stem_type=stem))
    return recording


def stem_fields(recording: Recording, audio: AudioFile, **changes: object) -> dict[str, object]:
    fields = {
        "recording": recording,
        "audio_file": audio,
        "stem_type": "other",
        "measured_lufs": -20.0,
        "peak_amplitude": 0.5,
        "stem_gain_adjustment_db": 0.0,
        "audio_url": "band/a_aaaaaaaa/x.opus",
        "waveform_url": "band/a_aaaaaaaa/x_waveform.png",
        "file_size_bytes": 1,
        "duration_seconds": 1.0,
    }
    return {**fields, **changes}


def query(sql: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def test_the_verification_queries_run_as_they_stand():
    make_recording()
    User.objects.create_user("a@example.com")
    counts, per_recording, orphans, files = (query(sql) for sql in VERIFICATION_QUERIES)
    assert dict(counts) == {"profiles": 1, "audio_files": 1, "recordings": 1, "stems": 2, "users": 1}
    assert per_recording == [("a_aaaaaaaa", 2)]
    assert (orphans, files) == ([(0,)], [(0,)])


@pytest.mark.parametrize("table", COLUMNS)
def test_columns_have_the_promised_names(table):
    found = query(f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table}'")  # noqa: S608
    assert set(COLUMNS[table].split()) <= {name for (name,) in found}


@pytest.mark.parametrize("table", COLUMNS)
def test_keys_are_uuids(table):
    (found,) = query(
        f"SELECT data_type FROM information_schema.columns WHERE table_name = '{table}' AND column_name = 'id'"  # noqa: S608
    )
    assert found == ("uuid",)


def test_every_foreign_key_is_indexed():
    unindexed = query("""
        SELECT c.conrelid::regclass::text, c.conname FROM pg_constraint c
        WHERE c.contype = 'f' AND c.conrelid::regclass::text IN
              ('users', 'profiles', 'user_profiles', 'audio_files', 'recordings', 'stems')
          AND NOT EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1])
    """)
    assert unindexed == []


def test_timestamps_have_database_defaults():
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO profiles (id, name, source_folder, strategy_name) VALUES (%s, 'raw', '/in', 's')",
            [uuid.uuid4()],
        )
    assert Profile.objects.get(name="raw").created_at is not None


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ({"stem_type": "vocals"}, "stems_recording_stem_type_unique"),
        ({"file_size_bytes": -1}, "stems_size_not_negative"),
        ({"duration_seconds": -0.1}, "stems_duration_not_negative"),
        ({"duration_seconds": float("inf")}, "stems_duration_not_negative"),
        ({"duration_seconds": float("nan")}, "stems_duration_not_negative"),
        ({"duration_seconds": None}, "duration_seconds"),
        ({"stem_type": "a\x1fb"}, "stems_names_without_separator"),
        ({"audio_url": "band/a/\x1f.opus"}, "stems_names_without_separator"),
        ({"measured_lufs": float("-inf")}, "stems_loudness_finite"),
        ({"measured_lufs": float("nan")}, "stems_loudness_finite"),
        ({"peak_amplitude": float("nan")}, "stems_peak_finite"),
        ({"peak_amplitude": -1.0}, "stems_peak_finite"),
        ({"stem_gain_adjustment_db": float("inf")}, "stems_gain_finite"),
    ],
)
def test_impossible_stems_are_refused_by_the_database(change, constraint):
    recording = make_recording()
    audio = AudioFile.objects.get()
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Stem.objects.create(**stem_fields(recording, audio, **change))
    assert Stem.objects.create(**stem_fields(recording, audio, measured_lufs=None, file_size_bytes=2**40)).pk


def test_one_content_is_one_audio_file():
    make_recording()
    profile = Profile.objects.create(name="other", source_folder="/in", strategy_name="s")
    with pytest.raises(IntegrityError, match="audio_files_file_hash_unique"), transaction.atomic():
        AudioFile.objects.create(
            profile=profile,
            filename="b.wav",
            file_hash="a" * 64,
            storage_url="b",
            file_size_bytes=1,
            duration_seconds=1,
        )


@pytest.mark.parametrize("name", ["", "../up", "a b", "-a", "Ü", "a/b"])
def test_profile_names_are_safe_in_a_path(name):
    with pytest.raises(IntegrityError, match="profiles_name_safe_in_a_path"), transaction.atomic():
        Profile.objects.create(name=name, source_folder="/in", strategy_name="s")


def test_one_output_name_per_profile_and_any_number_of_profiles():
    recording = make_recording()
    other = Profile.objects.create(name="other", source_folder="/in", strategy_name="s")
    Recording.objects.create(profile=other, output_name=recording.output_name)
    with pytest.raises(IntegrityError, match="recordings_profile_output_name_unique"), transaction.atomic():
        Recording.objects.create(profile=recording.profile, output_name=recording.output_name)


def test_e_mail_addresses_are_unique_however_they_are_capitalised():
    User.objects.create_user("Alice@Example.com")
    assert User.objects.get_by_natural_key("ALICE@example.COM").email == "alice@example.com"
    with pytest.raises(IntegrityError, match="users_email_unique"), transaction.atomic():
        User.objects.create_user("alice@EXAMPLE.com")
    with pytest.raises(IntegrityError, match="users_email_lower_case"), transaction.atomic():
        User.objects.create(email="Bob@example.com")


def test_no_migration_is_missing():
    call_command("makemigrations", "--check", "--dry-run", stdout=io.StringIO())
