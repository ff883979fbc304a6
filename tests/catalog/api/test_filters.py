"""What the lists can be asked for, by people and by machines that send anything."""

import pytest

from tests.factories import make_audio_file, make_profile, make_recording


def names(response) -> list[str]:
    assert response.status_code == 200, response.content
    return sorted(recording["output_name"] for recording in response.json()["results"])


def in_order(response) -> list[str]:
    return [recording["output_name"] for recording in response.json()["results"]]


class TestRecordings:
    @pytest.fixture(autouse=True)
    def recordings(self, bob, demo_band):
        second = make_profile("second")
        bob.profile_links.create(profile=second)
        make_recording(
            demo_band,
            "loud",
            display_name="Möwenlied",
            filename="ZOOM0042.wav",
            duration=60,
            created_at="2026-03-01T12:00:00Z",
            stem_types=["vocals", "drums"],
            lufs={"vocals": -30.0, "drums": -10.0},
        )
        make_recording(
            demo_band,
            "soft",
            duration=600,
            created_at="2026-03-02T12:00:00Z",
            stem_types=["vocals"],
            lufs={"vocals": -28.0},
            strategy_name="other",
        )
        make_recording(
            second,
            "silent",
            duration=60.5,
            created_at="2026-03-03T12:00:00Z",
            stem_types=["guitar"],
            lufs={"guitar": None},
        )
        make_recording(second, "bare", created_at="2026-03-04T12:00:00Z", stem_types=[])

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({}, ["bare", "loud", "silent", "soft"]),
            ({"profile": "second"}, ["bare", "silent"]),
            ({"profile": "no-such"}, []),
            ({"profile": ""}, ["bare", "loud", "silent", "soft"]),  # empty is as good as absent
            ({"q": "möwe"}, ["loud"]),
            ({"q": "LIED zoom"}, ["loud"]),
            ({"q": "s%t"}, []),  # no wildcard
            ({"strategy_name": "other"}, ["soft"]),
            ({"created_after": "2026-03-03"}, ["bare", "silent"]),
            ({"created_after": "2026-03-03T12:00:00Z"}, ["bare", "silent"]),  # that very moment counts
            ({"created_after": "2026-03-03T12:00:01Z"}, ["bare"]),
            ({"created_before": "2026-03-02T12:00:00Z"}, ["loud"]),  # and here it does not
            ({"created_before": "2026-03-02T14:00:01+02:00"}, ["loud", "soft"]),
            ({"created_after": "2026-03-02", "created_before": "2026-03-03"}, ["soft"]),
            ({"duration_min": "60.5"}, ["silent", "soft"]),
            ({"duration_max": "60"}, ["bare", "loud"]),
            ({"duration_min": "100", "duration_max": "50"}, []),
            ({"loudness_min": "-20"}, ["loud"]),
            ({"loudness_max": "-29.5"}, ["loud"]),
            ({"loudness_min": "-29", "loudness_max": "-20"}, ["soft"]),  # no two stems of "loud" make this up
            ({"stem_type": "vocals"}, ["loud", "soft"]),
            ({"stem_type": "vocals", "loudness_min": "-29"}, ["soft"]),  # the vocals of "loud" are not loud
            ({"loudness_max": "0"}, ["loud", "soft"]),  # zero is a number
            ({"stem_type": "voc"}, []),
            ({"profile": "demo-band", "stem_type": "drums", "q": "zoom", "duration_max": "1e2"}, ["loud"]),
        ],
    )
    def test_are_filtered(self, as_bob, query, expected):
        assert names(as_bob.get("/api/recordings", query)) == expected

    @pytest.mark.parametrize(
        ("ordering", "expected"),
        [
            ("", ["bare", "silent", "soft", "loud"]),
            ("created_at", ["loud", "soft", "silent", "bare"]),
            ("-created_at", ["bare", "silent", "soft", "loud"]),
            ("name", ["bare", "loud", "silent", "soft"]),  # "loud" is called Möwenlied
            ("-duration", ["soft", "silent", "loud", "bare"]),
            ("duration,name", ["bare", "loud", "silent", "soft"]),
            ("-loudness,name", ["loud", "soft", "bare", "silent"]),  # without loudness: last, either way
            ("loudness,-name", ["soft", "loud", "silent", "bare"]),
            ("name,-name,name", ["bare", "loud", "silent", "soft"]),
            (",", ["bare", "silent", "soft", "loud"]),
        ],
    )
    def test_are_ordered(self, as_bob, ordering, expected):
        assert in_order(as_bob.get("/api/recordings", {"ordering": ordering})) == expected


class TestStems:
    @pytest.fixture(autouse=True)
    def recording(self, bob, demo_band):
        first = make_recording(
            demo_band, "first", stem_types=["vocals", "bass"], duration=60, lufs={"vocals": None, "bass": -20.0}
        )
        first.stems.filter(stem_type="bass").update(peak_amplitude=0.9)
        make_recording(demo_band, "second", stem_types=["vocals"], duration=90, lufs={"vocals": -40.0})
        return first

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({}, ["bass", "vocals", "vocals"]),
            ({"profile": "demo-band"}, ["bass", "vocals", "vocals"]),
            ({"profile": "other-band"}, []),
            ({"stem_type": "bass"}, ["bass"]),
            ({"silent": "true"}, ["vocals"]),
            ({"silent": "false"}, ["bass", "vocals"]),
            ({"loudness_min": "-20"}, ["bass"]),
            ({"loudness_max": "-20.5"}, ["vocals"]),
            ({"peak_min": "0.6"}, ["bass"]),
            ({"peak_max": "0.5"}, ["vocals", "vocals"]),
            ({"duration_min": "60.5"}, ["vocals"]),
            ({"duration_max": "60"}, ["bass", "vocals"]),
        ],
    )
    def test_are_filtered(self, as_bob, query, expected):
        response = as_bob.get("/api/stems", query)

        assert sorted(stem["stem_type"] for stem in response.json()["results"]) == expected

    def test_of_one_recording_or_file(self, as_bob, recording):
        by_recording = as_bob.get("/api/stems", {"recording": str(recording.pk)}).json()
        by_file = as_bob.get("/api/stems", {"audio_file": str(recording.stems.first().audio_file_id)}).json()

        assert by_recording["count"] == 2
        assert by_file == by_recording

    def test_are_ordered(self, as_bob):
        response = as_bob.get("/api/stems", {"ordering": "-loudness"})

        assert [stem["measured_lufs"] for stem in response.json()["results"]] == [-20.0, -40.0, None]


class TestAudioFiles:
    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({"file_hash": "a" * 64}, ["one.wav"]),
            ({"file_hash": "A" * 64}, ["one.wav"]),
            ({"file_hash": "a" * 63}, []),
            ({"filename": "WAV"}, ["one.wav", "two.wav"]),
            ({"filename": "%"}, []),
            ({"hash_provenance": "index"}, ["two.wav"]),
            ({"duration_max": "10"}, ["one.wav"]),
            ({"uploaded_after": "2026-02-01"}, ["two.wav"]),
            ({"uploaded_before": "2026-02-01"}, ["one.wav"]),
            ({"ordering": "-duration"}, ["two.wav", "one.wav"]),
            ({"ordering": "filename"}, ["one.wav", "two.wav"]),
        ],
    )
    def test_are_filtered_and_ordered(self, asking, alice, demo_band, query, expected):
        make_audio_file(
            demo_band, "one.wav", file_hash="a" * 64, duration_seconds=5, uploaded_at="2026-01-01T00:00:00Z"
        )
        make_audio_file(demo_band, "two.wav", hash_provenance="index", uploaded_at="2026-02-01T00:00:00Z")

        response = asking(alice).get("/api/audio-files", {"ordering": "filename", **query})

        assert [file["filename"] for file in response.json()["results"]] == expected


NOT_NUMBERS = ["x", "nan", "inf", "-Infinity", "1e999", "--1", "1,5", "\0", "1" * 5000, "0x10"]
NOT_MOMENTS = [
    "yesterday",
    "2026-13-01",
    "2026-02-30",
    "10/25/06",
    "0000-01-01",
    "10000-01-01",
    "2026-01-01T25:00",
    "\0",
    "2026-01-01T00:00:00+99:00",
    "9" * 5000,
]
REFUSED = [
    *(("/api/recordings", name, value) for name in ("duration_min", "loudness_max") for value in NOT_NUMBERS),
    *(("/api/stems", name, value) for name in ("peak_min", "duration_max") for value in NOT_NUMBERS),
    *(("/api/recordings", name, value) for name in ("created_after", "created_before") for value in NOT_MOMENTS),
    *(("/api/audio-files", "uploaded_after", value) for value in NOT_MOMENTS),
    *(("/api/stems", "silent", value) for value in ("maybe", "1", "True", "\0")),
    *(("/api/stems", name, value) for name in ("recording", "audio_file") for value in ("x", "\0", "0" * 5000)),
    *(("/api/recordings", "ordering", value) for value in ("x", "-", "name,x", "profile__index_json", "\0")),
    ("/api/audio-files", "hash_provenance", "no-such"),
    *(("/api/recordings", name, "a\0b") for name in ("profile", "strategy_name", "stem_type")),
    *(("/api/audio-files", name, "a\0b") for name in ("file_hash", "filename")),
]


@pytest.mark.parametrize(("path", "name", "value"), REFUSED)
def test_nonsense_is_refused_in_words(as_bob, demo_band, path, name, value):
    make_recording(demo_band)

    response = as_bob.get(path, {name: value})

    assert response.status_code == 400
    assert list(response.json()["errors"]) == [name]
    assert response.json()["detail"].startswith(f"{name}: ")


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/api/recordings", {"duration_min": "1e300"}),
        ("/api/recordings", {"loudness_min": "-1e-300"}),
        ("/api/recordings", {"created_after": "0001-01-01"}),
        ("/api/recordings", {"created_after": "0001-01-01T00:00:00+14:00"}),
        ("/api/recordings", {"created_before": "9999-12-31T23:59:59-14:00"}),
        ("/api/audio-files", {"uploaded_after": "3827-06-29T08:31:38.7897-22:43"}),  # PostgreSQL knows 15:59
        ("/api/recordings", {"q": "x" * 10_000}),
        ("/api/recordings", {"q": "a\\ % _ ' \" ; --"}),
        ("/api/recordings", {"profile": "x" * 10_000, "stem_type": "ö" * 1000}),
        ("/api/recordings", {"ordering": ",".join(["name", "-duration"] * 500)}),
        ("/api/audio-files", {"filename": "\\"}),
    ],
)
def test_extremes_are_answered(as_bob, demo_band, path, query):
    make_recording(demo_band)

    assert as_bob.get(path, query).status_code == 200


@pytest.mark.parametrize("path", ["/api/recordings", "/api/stems", "/api/audio-files"])
def test_a_slip_in_a_name_is_not_answered_with_everything(as_bob, demo_band, path):
    response = as_bob.get(f"{path}?loudnes_min=-20")

    assert response.status_code == 400
    assert "page_size" in response.json()["errors"]["loudnes_min"][0]


def test_a_parameter_that_is_there_twice_is_refused(as_bob):
    response = as_bob.get("/api/recordings?profile=a&profile=b")

    assert response.json()["errors"] == {"profile": ["It is given more than once."]}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/api/recordings", "created_after"),
        ("/api/recordings", "loudness_min"),
        ("/api/recordings", "page"),
        ("/api/stems", "recording"),
        ("/api/stems", "silent"),
        ("/api/audio-files", "hash_provenance"),
    ],
)
def test_a_variable_that_was_never_set_is_not_answered_with_everything(as_bob, path, name):
    response = as_bob.get(path, {name: ""})

    assert response.status_code == 400
    assert list(response.json()["errors"]) == [name]


def test_a_single_thing_has_no_parameters(as_bob, demo_band):
    recording = make_recording(demo_band)

    assert as_bob.get(f"/api/recordings/{recording.pk}?profile=x").status_code == 400
