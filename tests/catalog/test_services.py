"""Changes to the catalogue are whole or absent."""

import threading

import pytest
from django.db import IntegrityError, connection

from catalog import services
from catalog.locks import recording_lock
from catalog.models import AudioFile, Profile, Recording, Stem
from stemset.config.schema import ProfileConfig

SOURCE = services.Source("a.wav", "a" * 64, "/in/a.wav", 10, 1.0)
CONFIG = ProfileConfig(name="band", source_folder="/in", strategy="s")


def new_stem(name: str, **changes: object) -> services.NewStem:
    fields = {
        "stem_type": name,
        "measured_lufs": -20.0,
        "peak_amplitude": 0.5,
        "stem_gain_adjustment_db": 0.0,
        "audio_url": f"band/a/{name}.opus",
        "waveform_url": f"band/a/{name}_waveform.png",
        "file_size_bytes": 1,
        "duration_seconds": 1.0,
        **changes,
    }
    return services.NewStem(**fields)


def catalogue(profile: Profile, name: str = "a_aaaaaaaa", stems=("vocals", "drums"), source=SOURCE) -> Recording:
    return services.catalogue_recording(
        profile, name, source, [new_stem(stem) for stem in stems], strategy_name="s", made_by={"m": "1"}
    )


@pytest.fixture
def profile(db) -> Profile:
    return services.sync_profile(CONFIG)


def test_sync_profile_writes_only_when_the_configuration_changed(profile, django_assert_num_queries):
    with django_assert_num_queries(1):  # look it up
        assert services.sync_profile(CONFIG) == profile
    services.sync_profile(CONFIG.model_copy(update={"strategy": "t"}))
    profile.refresh_from_db()
    assert profile.strategy_name == "t"


def test_a_recording_comes_with_all_its_stems(profile):
    recording = catalogue(profile)
    assert sorted(recording.stems.values_list("stem_type", flat=True)) == ["drums", "vocals"]
    assert set(recording.stems.values_list("audio_file__file_hash", flat=True)) == {"a" * 64}
    assert (recording.strategy_name, recording.made_by) == ("s", {"m": "1"})


def test_one_bad_stem_and_nothing_is_written(profile):
    with pytest.raises(IntegrityError):
        services.catalogue_recording(
            profile,
            "a_aaaaaaaa",
            SOURCE,
            [new_stem("vocals"), new_stem("drums", file_size_bytes=-1)],
            strategy_name="s",
            made_by={},
        )
    assert not Recording.objects.exists()
    assert not AudioFile.objects.exists()


def test_a_recording_made_again_keeps_its_id_name_and_date(profile):
    first = catalogue(profile)
    Recording.objects.update(display_name="Opening night")
    second = catalogue(profile, stems=("vocals", "rest"))
    second.refresh_from_db()
    assert (second.id, second.created_at, second.display_name) == (first.id, first.created_at, "Opening night")
    assert sorted(second.stems.values_list("stem_type", flat=True)) == ["rest", "vocals"]


def test_processed_is_a_question_per_profile(profile, django_assert_num_queries):
    catalogue(profile)
    other = Profile.objects.create(name="other", source_folder="/in", strategy_name="t")
    many = ["a" * 64, *(f"{number:064x}" for number in range(5000))]
    with django_assert_num_queries(1):  # however many hashes
        assert services.processed_hashes(profile, many) == {"a" * 64: "a_aaaaaaaa"}
    assert services.processed_hashes(other, many) == {}
    catalogue(other)  # the same content, one audio file
    assert AudioFile.objects.count() == 1
    assert services.processed_hashes(other, many) == {"a" * 64: "a_aaaaaaaa"}


def test_a_made_up_hash_is_replaced_when_the_true_one_is_learnt(profile):
    recording = catalogue(profile)
    assert not services.learn_true_hash(recording, "b" * 64)  # a true one stays
    AudioFile.objects.update(hash_provenance="placeholder")
    assert services.learn_true_hash(recording, "b" * 64)
    audio = AudioFile.objects.get()
    assert (audio.file_hash, audio.hash_provenance) == ("b" * 64, "content")


def test_a_made_up_source_joins_the_true_one(profile):
    recording = catalogue(profile)
    AudioFile.objects.update(hash_provenance="placeholder")
    true_source = services.Source("b.wav", "b" * 64, "/in/b.wav", 10, 1.0)
    catalogue(profile, name="b_bbbbbbbb", source=true_source)
    assert services.learn_true_hash(recording, "b" * 64)
    assert AudioFile.objects.get().file_hash == "b" * 64
    assert Stem.objects.filter(audio_file__file_hash="b" * 64).count() == 4


@pytest.mark.django_db(transaction=True)
def test_only_one_at_a_time_makes_a_recording():
    seen: list[bool] = []

    def other() -> None:
        for name in ("band", "another"):
            with recording_lock(name, "a" * 64) as lock:
                seen.append(lock.mine)
        connection.close()

    with recording_lock("band", "a" * 64) as lock:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert lock.mine
    assert seen == [False, True]
    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert seen[2:] == [True, True]  # released
