"""The list that is written as text says what the dictionaries say, and is never served after a change."""

import threading
from datetime import datetime

import pytest
import requests
from django.db import connection

from accounts.models import User
from accounts.tokens import make_personal_token
from catalog.api import listing
from catalog.api.kept_answers import Answer, KeptAnswers
from catalog.media_urls import media_url
from catalog.models import Recording, Stem
from tests.cast import bob, demo_band
from tests.factories import make_profile, make_recording
from tests.server import served

__all__ = ["bob", "demo_band"]

FILES = "/api/profiles/demo-band/files"
ODD_NAMES = [
    "Übung 100%",
    '"quoted" \\ %b %s',
    "a?b#c&d=e;f",
    "日本語",
    "tab\there",
    "line\nbreak",
    "50%",
    "%25",
    "\x01",
]


def bearer(user: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {make_personal_token(user, 'test')[1]}"}


def expected_file(recording: Recording) -> dict[str, object]:
    """The contract's File, written down once more."""
    return {
        "id": str(recording.pk),
        "name": recording.output_name,
        "display_name": recording.display_name,
        "created_at": recording.created_at,
        "status": "complete",
        "stems": [
            {
                "stem_type": stem.stem_type,
                "measured_lufs": stem.measured_lufs,
                "peak_amplitude": stem.peak_amplitude,
                "stem_gain_adjustment_db": stem.stem_gain_adjustment_db,
                "audio_url": media_url(stem.audio_url),
                "waveform_url": media_url(stem.waveform_url, is_waveform=True),
                "file_size_bytes": stem.file_size_bytes,
                "duration_seconds": stem.duration_seconds,
            }
            for stem in sorted(recording.stems.all(), key=lambda stem: stem.stem_type)
        ],
    }


@pytest.mark.django_db
@pytest.mark.parametrize("cross_origin", [False, True])
def test_the_text_says_what_the_dictionaries_say(client, settings, bob, demo_band, cross_origin):
    settings.BACKEND_URL = "https://api.example"
    settings.CROSS_ORIGIN_CLIENT = cross_origin
    for days, name in enumerate(ODD_NAMES):
        make_recording(demo_band, name, display_name=name[::-1], days_ago=days, lufs={"drums": None})
    make_recording(demo_band, "silent", stem_types=[], days_ago=20)
    odd_files = make_recording(demo_band, "odd files", days_ago=21)
    for stem, name in zip(odd_files.stems.order_by("stem_type"), ODD_NAMES, strict=False):
        stem.stem_type, stem.audio_url = name, f"demo-band/odd files/{name}.opus"
        stem.waveform_url = f"demo-band/odd files/{name}.png"
        stem.peak_amplitude, stem.measured_lufs = 1e-9, -1 / 3
        stem.save()
    client.force_login(bob)

    found = client.get(FILES).json()

    expected = [expected_file(recording) for recording in Recording.objects.order_by("-created_at", "id")]
    for file in found:  # PostgreSQL writes no zeros at the end of fractions
        file["created_at"] = datetime.fromisoformat(file["created_at"])
    assert found == expected
    assert found[0]["stems"][0]["audio_url"] == (
        "https://api.example" * cross_origin + "/media/demo-band/%C3%9Cbung%20100%25/bass.opus"
    )
    assert ("?key=" in found[0]["stems"][0]["waveform_url"]) is cross_origin


@pytest.mark.django_db
@pytest.mark.parametrize("recordings", [2, 50])
def test_costs_the_same_for_two_recordings_as_for_fifty(client, bob, demo_band, recordings, django_assert_num_queries):
    for _ in range(recordings):
        make_recording(demo_band)
    client.force_login(bob)

    # the session with its user and what they may open; the list
    with django_assert_num_queries(2):
        assert len(client.get(FILES).json()) == recordings
    # it is kept
    with django_assert_num_queries(1):
        assert len(client.get(FILES).json()) == recordings


@pytest.mark.django_db
@pytest.mark.parametrize("profiles", [2, 50])
def test_profiles_cost_the_same_for_two_as_for_fifty(client, bob, profiles, django_assert_num_queries):
    for number in range(profiles - 1):
        bob.profile_links.create(profile=make_profile(f"band-{number}"))
    client.force_login(bob)

    # the session with its user and what they may open
    with django_assert_num_queries(1):
        assert len(client.get("/api/profiles").json()) == profiles


@pytest.mark.django_db
def test_an_unchanged_list_is_not_read_again(client, bob, demo_band, monkeypatch):
    make_recording(demo_band)
    client.force_login(bob)
    written = []
    monkeypatch.setattr(listing, "file_texts", lambda *arguments: written.append(arguments) or [b"{}"])

    first, second = client.get(FILES), client.get(FILES)

    assert first.content == second.content == b"[{}]"
    assert first["ETag"] == second["ETag"]
    assert len(written) == 1


@pytest.mark.django_db
def test_what_is_kept_of_one_person_is_not_given_to_another(client, bob, demo_band):
    make_recording(demo_band)
    client.force_login(bob)
    assert client.get(FILES).status_code == 200
    bob.profile_links.all().delete()

    assert client.get(FILES).status_code == 404


def test_room_is_kept_for_the_latest():
    kept = KeptAnswers(max_bytes=10)
    for key in ("a", "b", "c"):
        kept.keep(key, Answer("1", '"1"', b"1234"))
    kept.keep("huge", Answer("1", '"1"', b"12345678901"))

    assert [kept.get(key) is not None for key in ("a", "b", "c", "huge")] == [False, True, True, False]
    kept.keep("c", Answer("2", '"2"', b"5678"))
    assert kept.get("c") == Answer("2", '"2"', b"5678")


@pytest.mark.django_db(transaction=True)
def test_two_servers_never_serve_a_stale_list(bob, demo_band):
    """Each of two servers (four processes) keeps lists of its own; a change through one is seen through the other."""
    recording = make_recording(demo_band, "x")
    headers = bearer(bob)
    with served() as first, served() as second:
        sessions = [requests.Session() for _ in range(6)]  # kept alive, so that both processes of a server are asked
        for number in range(12):
            writer, readers = ((first, second), (second, first))[number % 2]
            name = f"name {number}"
            rename = requests.patch(
                f"{writer}{FILES}/x/display-name", json={"display_name": name}, headers=headers, timeout=30
            )
            assert rename.json()["display_name"] == name
            for session in sessions:
                for address in (readers, writer):
                    (file,) = session.get(f"{address}{FILES}", headers=headers, timeout=30).json()
                    assert file["display_name"] == name
        # Changes by hand are seen as well, and an answer that a browser keeps is confirmed only as long as it holds.
        tags = [
            sessions[0].get(f"{address}{FILES}", headers=headers, timeout=30).headers["ETag"]
            for address in (first, second)
        ]
        assert tags[0] == tags[1]
        asked = {**headers, "If-None-Match": tags[0]}
        assert sessions[0].get(f"{second}{FILES}", headers=asked, timeout=30).status_code == 304
        with connection.cursor() as cursor:
            cursor.execute("UPDATE stems SET measured_lufs = NULL WHERE recording_id = %s", [recording.pk])
        for address in (first, second):
            answer = sessions[0].get(f"{address}{FILES}", headers=asked, timeout=30)
            assert answer.status_code == 200
            assert [stem["measured_lufs"] for stem in answer.json()[0]["stems"]] == [None] * 4


@pytest.mark.django_db(transaction=True)
def test_readers_see_every_change_in_order_while_somebody_writes(bob, demo_band):
    """Names count up; whoever reads meanwhile never sees a lower one than before."""
    make_recording(demo_band, "x", display_name="0")
    headers = bearer(bob)
    stop = threading.Event()
    mistakes: list[str] = []

    def read(address: str) -> None:
        session, last = requests.Session(), 0
        while not stop.is_set():
            now = int(session.get(f"{address}{FILES}", headers=headers, timeout=30).json()[0]["display_name"])
            if now < last:
                mistakes.append(f"{now} after {last}")
            last = now

    with served() as address:
        readers = [threading.Thread(target=read, args=[address]) for _ in range(4)]
        for reader in readers:
            reader.start()
        for number in range(1, 120):
            Recording.objects.update(display_name=str(number))
        stop.set()
        for reader in readers:
            reader.join()
        assert requests.get(f"{address}{FILES}", headers=headers, timeout=30).json()[0]["display_name"] == "119"
    assert mistakes == []
    assert Stem.objects.count() == 4
