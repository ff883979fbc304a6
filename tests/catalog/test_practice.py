"""What our own page keeps of how somebody left a recording, beside what the existing client keeps."""

import threading

import pytest
from django.db import connection
from django.test import Client

from catalog.mixes import MAX_BYTES, merged
from catalog.models import Mix
from tests.factories import make_recording

NOTHING = {"practice": None, "is_theirs_newer": False, "playbackPosition": None, "stems": None, "effects": None}


@pytest.fixture
def recording(demo_band):
    return make_recording(demo_band)


@pytest.fixture
def path(recording) -> str:
    return f"/api/recordings/{recording.pk}/practice"


@pytest.fixture
def config(recording) -> str:
    return f"/api/recordings/{recording.pk}/config"


@pytest.fixture
def as_bob(client, bob) -> Client:
    client.force_login(bob)
    return client


def patch(client: Client, path: str, practice: object):
    return client.patch(path, {"practice": practice}, content_type="application/json")


def test_there_is_nothing_at_first(as_bob, path):
    assert as_bob.get(path).json() == NOTHING


def test_changes_are_merged(as_bob, path):
    patch(as_bob, path, {"speed": 80, "strips": {"drums": {"db": -6, "mute": True}, "bass": {"db": 0}}})

    answer = patch(as_bob, path, {"speed": None, "strips": {"drums": {"db": -3}}, "loops": {"a": {"name": "Chorus"}}})

    practice = {"strips": {"drums": {"db": -3, "mute": True}, "bass": {"db": 0}}, "loops": {"a": {"name": "Chorus"}}}
    assert answer.json() == {**NOTHING, "practice": practice}
    assert as_bob.get(path).json() == {**NOTHING, "practice": practice}


# The examples of RFC 7396, appendix A, that are objects.
@pytest.mark.parametrize(
    ("document", "change", "outcome"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        (None, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_merge_patch_does_what_its_standard_says(document, change, outcome):
    assert merged(document, change) == outcome


def test_the_existing_client_neither_sees_nor_loses_anything(as_bob, path, config):
    theirs = {"vocals": {"gain": 0.5}, "mixer": {"foreign": [1, 2]}}
    as_bob.patch(config, {"key": "stems", "value": theirs}, content_type="application/json")
    patch(as_bob, path, {"strips": {"vocals": {"mute": True}}})

    assert as_bob.get(config).json() == {"playbackPosition": None, "stems": theirs, "effects": None}
    as_bob.patch(config, {"key": "effects", "value": {"eq": 1}}, content_type="application/json")
    assert as_bob.get(path).json()["practice"] == {"strips": {"vocals": {"mute": True}}}


def test_for_the_existing_client_there_is_nothing_until_it_keeps_something(as_bob, path, config):
    patch(as_bob, path, {"speed": 80})

    assert as_bob.get(config).status_code == 404


def test_it_is_told_which_client_was_left_last(as_bob, path, config):
    patch(as_bob, path, {"speed": 80})
    as_bob.patch(config, {"key": "playbackPosition", "value": {"position": 3}}, content_type="application/json")
    answer = as_bob.get(path).json()
    assert answer["is_theirs_newer"]
    assert answer["playbackPosition"] == {"position": 3}

    assert not patch(as_bob, path, {"position": 5}).json()["is_theirs_newer"]


def test_everybody_has_their_own(as_bob, alice, path):
    patch(as_bob, path, {"speed": 80})
    as_bob.force_login(alice)

    assert as_bob.get(path).json() == NOTHING


@pytest.mark.parametrize(
    ("practice", "word"),
    [
        ({"name": "a\0b"}, "NUL"),
        ({"name": "x" * MAX_BYTES}, "at most"),
        ([1], "dictionary"),
        (None, "null"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_words(as_bob, path, practice, word):
    answer = patch(as_bob, path, practice)

    assert answer.status_code == 400
    assert word in str(answer.json())
    assert not Mix.objects.filter(practice__isnull=False).exists()


def test_it_does_not_grow_without_end(as_bob, path):
    half = "x" * (MAX_BYTES // 2)
    assert patch(as_bob, path, {"a": half}).status_code == 200

    answer = patch(as_bob, path, {"b": half})

    assert answer.status_code == 400
    assert as_bob.get(path).json()["practice"] == {"a": half}


@pytest.mark.parametrize("depth", [400, 1500, 5000])
def test_endless_nesting_is_refused(as_bob, path, depth):
    body = '{"practice":' + '{"a":' * depth + "1" + "}" * depth + "}"

    answer = as_bob.patch(path, body, content_type="application/json")

    assert answer.status_code in (200, 400)


@pytest.mark.django_db(transaction=True)
def test_two_tabs_at_once_do_not_undo_each_other(bob, recording, path):
    def turn(name: str) -> None:
        tab = Client()
        tab.force_login(bob)
        for number in range(5):
            patch(tab, path, {"strips": {f"{name}{number}": {"mute": True}}})
        connection.close()

    tabs = [threading.Thread(target=turn, args=(name,)) for name in ("left", "right")]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()

    assert len(Mix.objects.get(recording=recording).practice["strips"]) == 10
