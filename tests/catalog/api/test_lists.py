"""Our own lists: what is in them, for whom, at what cost."""

import math

import pytest
from django.utils.dateparse import parse_datetime

from catalog.api.viewsets import AudioFiles, Recordings, Stems
from catalog.models import AudioFile, Recording, Stem
from tests.factories import make_audio_file, make_recording, make_user

LISTS = ["/api/recordings", "/api/stems", "/api/audio-files"]


def results(response) -> list[dict]:
    assert response.status_code == 200, response.content
    assert response.json().keys() == {"count", "next", "previous", "results"}
    return response.json()["results"]


class TestRecordings:
    def test_are_told_with_their_stems(self, as_bob, demo_band):
        recording = make_recording(
            demo_band, "harbour 100%", display_name="Harbour", stem_types=["vocals", "bass"], lufs={"bass": None}
        )

        (told,) = results(as_bob.get("/api/recordings"))

        bass, vocals = told.pop("stems")
        assert parse_datetime(told.pop("created_at")) == recording.created_at
        assert parse_datetime(told.pop("updated_at")) == recording.updated_at
        assert told == {
            "id": str(recording.pk),
            "profile": "demo-band",
            "output_name": "harbour 100%",
            "display_name": "Harbour",
            "strategy_name": "four",
            "made_by": {"dsp:4stems": "1"},
            "duration_seconds": 180.0,
        }
        stem = recording.stems.get(stem_type="bass")
        assert parse_datetime(bass.pop("created_at")) == stem.created_at
        assert bass == {
            "id": str(stem.pk),
            "recording": str(recording.pk),
            "audio_file": str(stem.audio_file_id),
            "stem_type": "bass",
            "measured_lufs": None,
            "peak_amplitude": 0.5,
            "stem_gain_adjustment_db": -1.6,
            "audio_url": "/media/demo-band/harbour%20100%25/bass.opus",
            "waveform_url": "/media/demo-band/harbour%20100%25/bass_waveform.png",
            "file_size_bytes": 4_320_000,
            "duration_seconds": 180.0,
            "file_sha256": "",
        }
        assert vocals["measured_lufs"] == -21.4
        assert as_bob.get(f"/api/recordings/{recording.pk}").json()["stems"][1] == vocals

    def test_without_stems_last_no_time(self, as_bob, demo_band):
        make_recording(demo_band, stem_types=[])

        assert results(as_bob.get("/api/recordings"))[0]["duration_seconds"] == 0

    def test_never_load_what_is_large(self, as_bob, demo_band, django_assert_num_queries):
        make_recording(demo_band, metadata_json="x" * 10_000)

        with django_assert_num_queries(4) as asked:
            as_bob.get("/api/recordings")

        assert "metadata_json" not in str(asked.captured_queries)
        assert "index_json" not in str(asked.captured_queries)

    def test_are_renamed(self, as_bob, demo_band):
        recording = make_recording(demo_band, "x")

        response = as_bob.patch(f"/api/recordings/{recording.pk}", {"display_name": "Möwenlied"}, format="json")

        assert response.status_code == 200
        assert response.json()["display_name"] == "Möwenlied"
        assert response.json() == as_bob.get(f"/api/recordings/{recording.pk}").json()
        assert Recording.objects.get().display_name == "Möwenlied"

    def test_of_others_are_not_renamed(self, asking, charlie, demo_band):
        recording = make_recording(demo_band, "x")
        client = asking(charlie)

        theirs = client.patch(f"/api/recordings/{recording.pk}", {"display_name": "Mine"}, format="json")
        nobodys = client.patch(f"/api/recordings/{demo_band.pk}", {"display_name": "Mine"}, format="json")

        assert (theirs.status_code, theirs.content) == (nobodys.status_code, nobodys.content)
        assert theirs.status_code == 404
        assert Recording.objects.get().display_name == ""

    @pytest.mark.parametrize(
        "body", [{}, {"display_name": None}, {"display_name": 1}, {"display_name": ["x"]}, {"display_name": "a\0b"}]
    )
    def test_are_not_renamed_to_what_is_no_name(self, as_bob, demo_band, body):
        recording = make_recording(demo_band, "x")

        response = as_bob.patch(f"/api/recordings/{recording.pk}", body, format="json")

        assert response.status_code == 400
        assert list(response.json()["errors"]) == ["display_name"]
        assert Recording.objects.get().display_name == ""


class TestAudioFiles:
    def test_show_members_the_name_only(self, as_bob, demo_band):
        recording = make_recording(demo_band, "x", filename="take.wav")
        source = recording.stems.first().audio_file

        (told,) = results(as_bob.get("/api/audio-files"))

        assert parse_datetime(told.pop("uploaded_at")) == source.uploaded_at
        assert told == {
            "id": str(source.pk),
            "filename": "take.wav",
            "file_hash": source.file_hash,
            "hash_provenance": "content",
            "storage_url": "take.wav",
            "file_size_bytes": 31_752_044,
            "duration_seconds": 180.0,
        }
        assert as_bob.get(f"/api/audio-files/{source.pk}").json()["storage_url"] == "take.wav"

    def test_show_staff_everything(self, asking, alice, demo_band):
        make_recording(demo_band, "x", filename="take.wav")

        (told,) = results(asking(alice).get("/api/audio-files"))

        assert told["storage_url"] == "/in/demo-band/take.wav"
        assert told["profile"] == "demo-band"
        assert asking(alice).get(f"/api/audio-files/{told['id']}").json() == told

    @pytest.mark.parametrize("storage_url", ["/a/b/take.wav", "C:\\bands\\take.wav", "take.wav", "input/take.wav/"])
    def test_never_show_members_a_folder(self, as_bob, demo_band, storage_url):
        make_recording(demo_band, "x")
        AudioFile.objects.update(storage_url=storage_url)

        assert results(as_bob.get("/api/audio-files"))[0]["storage_url"] == "take.wav"

    def test_first_seen_elsewhere_do_not_tell_where(self, asking, bob, charlie, demo_band, other_band):
        secret = make_recording(other_band, "secret")
        shared = secret.stems.first().audio_file
        mine = make_recording(demo_band, "mine")
        mine.stems.update(audio_file=shared)

        response = asking(bob).get("/api/audio-files")

        assert [file["id"] for file in results(response)] == [str(shared.pk)]
        assert b"other-band" not in response.content

    def test_of_which_nothing_was_made_are_for_staff(self, asking, alice, bob, demo_band):
        unused = make_audio_file(demo_band)

        assert results(asking(bob).get("/api/audio-files")) == []
        assert [file["id"] for file in results(asking(alice).get("/api/audio-files"))] == [str(unused.pk)]


@pytest.mark.parametrize("path", LISTS)
class TestWhoSees:
    def test_a_stranger_nothing(self, asking, demo_band, path):
        make_recording(demo_band)
        response = asking(None).get(path)

        assert response.status_code == 401
        assert response["WWW-Authenticate"] == "Bearer"
        assert "Sign in" in response.json()["detail"]

    def test_whose_account_is_off_nothing(self, asking, dora, demo_band, path):
        make_recording(demo_band)

        assert asking(dora).get(path).status_code == 401

    def test_an_outsider_only_what_is_theirs(self, asking, charlie, demo_band, other_band, path):
        make_recording(demo_band, "hidden", stem_types=["vocals"])
        make_recording(other_band, "shown", stem_types=["vocals"])

        response = asking(charlie).get(path)

        assert response.json()["count"] == 1
        assert b"hidden" not in response.content
        assert b"demo-band" not in response.content

    def test_staff_everything(self, asking, alice, demo_band, other_band, path):
        make_recording(demo_band, stem_types=["vocals"])
        make_recording(other_band, stem_types=["vocals"])

        assert asking(alice).get(path).json()["count"] == 2

    def test_who_is_in_two_bands_everything_once(self, asking, demo_band, other_band, path):
        make_recording(demo_band, stem_types=["vocals"])
        make_recording(other_band, stem_types=["vocals"])

        both = make_user("both@example.org", profiles=[demo_band, other_band])

        assert asking(both).get(path).json()["count"] == 2

    def test_one_by_one_what_they_see_in_lists(self, asking, bob, charlie, demo_band, path):
        make_recording(demo_band, stem_types=["vocals"])
        (told,) = results(asking(bob).get(path))

        assert asking(bob).get(f"{path}/{told['id']}").json() == told
        hidden = asking(charlie).get(f"{path}/{told['id']}")
        missing = asking(charlie).get(f"{path}/{demo_band.pk}")
        assert hidden.status_code == 404
        assert hidden.content == missing.content


@pytest.mark.parametrize("path", LISTS)
class TestPages:
    @pytest.fixture
    def band(self, demo_band):
        for number in range(5):
            make_recording(demo_band, f"take-{number}", days_ago=number, stem_types=["vocals"])
        return demo_band

    def test_lead_from_one_to_the_next_and_back(self, as_bob, band, path):
        seen, links = [], []
        address = f"{path}?page_size=2"
        while address:
            page = as_bob.get(address).json()
            assert page["count"] == 5
            seen += [row["id"] for row in page["results"]]
            links.append((page["previous"], page["next"]))
            address = page["next"]

        assert len(seen) == len(set(seen)) == 5
        assert links == [
            (None, f"{path}?page=2&page_size=2"),
            (f"{path}?page_size=2", f"{path}?page=3&page_size=2"),
            (f"{path}?page=2&page_size=2", None),
        ]

    def test_past_the_end_are_not_there(self, as_bob, band, path):
        response = as_bob.get(path, {"page": 4, "page_size": 2})

        assert response.status_code == 404
        assert response.json() == {"detail": "There is no page 4: the last one is 3."}

    def test_of_nothing_are_empty(self, as_bob, demo_band, path):
        assert as_bob.get(path).json() == {"count": 0, "next": None, "previous": None, "results": []}

    @pytest.mark.parametrize("name", ["page", "page_size"])
    @pytest.mark.parametrize("value", ["0", "-1", "x", "1.5", "1e3", "٣", "9" * 5000, "\0", "last", "2 "])
    def test_that_are_no_numbers_are_refused(self, as_bob, band, path, name, value):
        response = as_bob.get(path, {name: value})

        assert response.status_code == 400
        assert list(response.json()["errors"]) == [name]

    def test_hold_at_most_two_hundred_rows(self, as_bob, band, path):
        assert as_bob.get(path, {"page_size": "200"}).status_code == 200
        assert as_bob.get(path, {"page_size": "201"}).status_code == 400


@pytest.mark.parametrize(
    ("path", "queries"),
    [
        # session with its person, number of recordings, a page of them with their profiles, their stems
        ("/api/recordings", 4),
        ("/api/recordings?q=take+wav&stem_type=vocals&loudness_min=-50&duration_max=900&ordering=loudness,name", 4),
        # session with its person, number of stems, a page of them
        ("/api/stems", 3),
        ("/api/stems?profile=demo-band&ordering=recording", 3),
        # session with its person, number of files, a page of them
        ("/api/audio-files", 3),
    ],
)
@pytest.mark.parametrize("rows", [2, 30])
def test_lists_cost_the_same_for_two_rows_as_for_thirty(
    as_bob, demo_band, path, queries, rows, django_assert_num_queries
):
    for number in range(rows):
        make_recording(demo_band, f"take-{number}", filename=f"take{number}.wav")

    with django_assert_num_queries(queries):
        assert len(results(as_bob.get(path))) >= rows


@pytest.mark.parametrize("rows", [2, 30])
def test_files_cost_staff_no_more(asking, alice, demo_band, rows, django_assert_num_queries):
    for _ in range(rows):
        make_recording(demo_band)
    client = asking(alice)

    # session with its person, number of files, a page of them with their profiles
    with django_assert_num_queries(3):
        assert len(results(client.get("/api/audio-files"))) == rows


@pytest.mark.parametrize("stems", [2, 30])
def test_one_recording_costs_the_same_for_two_stems_as_for_thirty(as_bob, demo_band, stems, django_assert_num_queries):
    recording = make_recording(demo_band, "x", stem_types=[f"stem-{number}" for number in range(stems)])

    # session with its person, recording with its profile, its stems
    with django_assert_num_queries(3):
        assert len(as_bob.get(f"/api/recordings/{recording.pk}").json()["stems"]) == stems


@pytest.mark.parametrize("viewset", [Recordings, Stems, AudioFiles])
def test_every_order_is_total(viewset):
    ordering = viewset.filterset_class.base_filters["ordering"]
    names = [sign + name for name in ordering.by for sign in ("", "-")]

    for value in [None, [], *([name] for name in names), names]:
        ordered = ordering.filter(viewset.queryset.model.objects.all(), value)
        assert ordered.totally_ordered
        assert ordered.query.order_by[-1] == "id"


def test_numbers_in_answers_are_finite(as_bob, demo_band):
    make_recording(demo_band, lufs={"vocals": None})

    for stem in results(as_bob.get("/api/stems")):
        numbers = [value for value in stem.values() if isinstance(value, float)]
        assert all(map(math.isfinite, numbers))
    assert Stem.objects.filter(measured_lufs=None).exists()
