"""The library's pages: what they show, in which order, and at what cost."""

import json
import re

import pytest
from django.urls import reverse

from catalog.models import Stem
from catalog.queries import PER_PAGE, SORTS, find_recordings
from tests.factories import make_profile, make_recording, make_user


@pytest.fixture
def as_bob(client, bob):
    client.force_login(bob)
    return client


def titles(response) -> list[str]:
    return [entry.recording.title for entry in response.context["entries"]]


class TestLibrary:
    def test_home_leads_to_it(self, as_bob):
        response = as_bob.get("/")

        assert (response.status_code, response["Location"]) == (302, "/library")

    def test_shows_ones_profiles_with_their_newest_recording(self, as_bob, demo_band, other_band):
        make_recording(demo_band, "old_11111111", days_ago=2)
        make_recording(demo_band, "new_22222222", display_name="The new one", days_ago=1)
        make_recording(other_band, "secret_33333333")

        page = as_bob.get("/library").content.decode()

        assert "2 recordings" in page
        assert "The new one" in page
        assert 'href="/library/demo-band/new_22222222"' in page
        assert "old_11111111" not in page
        assert "other-band" not in page
        assert "secret" not in page

    def test_says_how_to_make_the_first_recording(self, as_bob):
        assert b"python manage.py process demo-band" in as_bob.get("/library").content

    def test_says_whom_to_ask_when_there_is_nothing_to_open(self, client, db):
        client.force_login(make_user("new@example.org"))

        assert b"Ask whoever runs this Stemset" in client.get("/library").content

    def test_tells_staff_of_an_empty_installation_where_to_begin(self, client, alice):
        client.force_login(alice)

        assert b"config.yaml" in client.get("/library").content

    @pytest.mark.parametrize("profiles", [2, 50])
    def test_costs_the_same_for_two_profiles_as_for_fifty(self, client, alice, profiles, django_assert_num_queries):
        for number in range(profiles):
            make_recording(make_profile(f"band-{number}"))
        client.force_login(alice)

        # session with its user, profiles with counts, their newest recordings, the stems with source files of those
        with django_assert_num_queries(4):
            client.get("/library")


class TestProfile:
    def test_lists_recordings_newest_first(self, as_bob, demo_band):
        for days_ago, name in enumerate(["today", "yesterday", "before"]):
            make_recording(demo_band, name, days_ago=days_ago)

        assert titles(as_bob.get("/library/demo-band")) == ["today", "yesterday", "before"]

    @pytest.mark.parametrize(
        ("sort", "expected"),
        [
            ("newest", ["b", "A", "c"]),
            ("oldest", ["c", "A", "b"]),
            ("name", ["A", "b", "c"]),
            ("longest", ["c", "b", "A"]),
            ("shortest", ["A", "b", "c"]),
            ("loudest", ["A", "c", "b"]),
            ("no-such-order", ["b", "A", "c"]),
        ],
    )
    def test_sorts(self, as_bob, demo_band, sort, expected):
        make_recording(demo_band, "x1", display_name="b", days_ago=1, duration=20, stem_types=["s"], lufs={"s": None})
        make_recording(demo_band, "A", days_ago=2, duration=10, stem_types=["s"], lufs={"s": -10})
        make_recording(demo_band, "x3", display_name="c", days_ago=3, duration=30, stem_types=["s"], lufs={"s": -20})

        assert titles(as_bob.get("/library/demo-band", {"sort": sort})) == expected

    @pytest.mark.parametrize("sort", SORTS)
    def test_every_order_is_total(self, demo_band, sort):
        assert find_recordings(demo_band, sort=sort).query.order_by[-1] == "id"

    @pytest.mark.parametrize(
        ("q", "expected"),
        [
            ("möwe", ["Möwenlied"]),  # a part, whatever the case
            ("LIED zoom", ["Möwenlied"]),  # words from different fields
            ("gig_2025", ["gig_2025_aaaaaaaa"]),  # the folder's name
            ("zoom0042.wav", ["Möwenlied"]),  # the source file
            ("100%", ["100% live"]),  # no wildcard
            ("g_g", []),
            ("nothing like it", []),
        ],
    )
    def test_searches_names_and_source_files(self, as_bob, demo_band, q, expected):
        make_recording(demo_band, "song_bbbbbbbb", display_name="Möwenlied", filename="ZOOM0042.wav")
        make_recording(demo_band, "gig_2025_aaaaaaaa")
        make_recording(demo_band, "live_cccccccc", display_name="100% live")

        assert titles(as_bob.get("/library/demo-band", {"q": q})) == expected

    @pytest.mark.parametrize("q", ["\0", "a\0b", "x" * 10_000, "%", "\\", "'\"<b>", " "])
    def test_survives_any_search(self, as_bob, demo_band, q):
        make_recording(demo_band)

        response = as_bob.get("/library/demo-band", {"q": q, "page": "\0", "sort": "\0"})

        assert response.status_code == 200
        assert b"<b>" not in response.content

    def test_says_how_to_make_the_first_recording(self, as_bob):
        assert b"python manage.py process demo-band" in as_bob.get("/library/demo-band").content

    def test_says_when_a_search_finds_nothing(self, as_bob, demo_band):
        make_recording(demo_band)

        assert b"Nothing by that name" in as_bob.get("/library/demo-band?q=zzz").content

    def test_pages_hold_every_recording_once(self, as_bob, demo_band):
        for number in range(2 * PER_PAGE + 1):
            make_recording(demo_band, f"take-{number}", days_ago=0, created_at="2026-01-01T00:00:00Z")

        pages = [titles(as_bob.get("/library/demo-band", {"page": page, "sort": "longest"})) for page in (1, 2, 3)]

        assert [len(page) for page in pages] == [PER_PAGE, PER_PAGE, 1]
        assert len({title for page in pages for title in page}) == 2 * PER_PAGE + 1

    def test_a_page_that_does_not_exist_is_the_nearest_one(self, as_bob, demo_band):
        make_recording(demo_band, "only")

        assert titles(as_bob.get("/library/demo-band", {"page": "99"})) == ["only"]
        assert titles(as_bob.get("/library/demo-band", {"page": "-1"})) == ["only"]
        assert titles(as_bob.get("/library/demo-band", {"page": "x"})) == ["only"]

    def test_links_to_other_pages_keep_search_and_order(self, as_bob, demo_band):
        for _ in range(PER_PAGE + 1):
            make_recording(demo_band)

        page = as_bob.get("/library/demo-band", {"q": "take", "sort": "name"}).content.decode()

        assert 'href="?q=take&amp;sort=name&amp;page=2"' in page

    @pytest.mark.parametrize("recordings", [2, 50])
    @pytest.mark.parametrize("query", ["", "?q=take+wav&sort=loudest"])
    def test_costs_the_same_for_two_recordings_as_for_fifty(
        self, as_bob, demo_band, recordings, query, django_assert_num_queries
    ):
        for _ in range(recordings):
            make_recording(demo_band)

        # session with its user, profile, number of recordings, a page of them, their stems with source files, jobs
        with django_assert_num_queries(6):
            as_bob.get(f"/library/demo-band{query}")


class TestRecording:
    def test_tells_what_is_known(self, as_bob, demo_band):
        make_recording(
            demo_band,
            "harbour_12345678",
            display_name="Harbour",
            filename="STE-001.wav",
            lufs={"vocals": None, "drums": -18.25},
            duration=3723.9,
            strategy_name="bobw",
            made_by={"spleeter:2stems": "1.0"},
        )

        page = as_bob.get("/library/demo-band/harbour_12345678").content.decode()

        for words in ("Harbour", "STE-001.wav", "1:02:03", "bobw", "spleeter:2stems", "1.0"):
            assert words in page
        # of a stem: loudness (or its absence), peak, gain, size
        for words in ("silent", "−18.2 LUFS", "−6.0 dBFS", "−1.6 dB", "4.1"):
            assert words in page
        for stem in ("vocals", "drums", "bass", "other"):
            assert f'src="/media/demo-band/harbour_12345678/{stem}.opus"' in page
            assert f'href="/media/demo-band/harbour_12345678/{stem}_waveform.png"' in page

    def test_shows_the_usual_stems_in_the_usual_order_and_others_below(self, as_bob, demo_band):
        make_recording(demo_band, "x", stem_types=["guitar", "other", "bass", "drums", "vocals"])

        entry = as_bob.get("/library/demo-band/x").context["entry"]

        assert [stem.stem_type for stem in entry.stems] == ["vocals", "drums", "bass", "other", "guitar"]

    @pytest.mark.parametrize(
        "output_name",
        ["ночной_порт_12345678", "夜の港_12345678", "हिन्दी", "a.b-c_d", "100%", "a b", "#1?", "🎸", "a\nb"],
    )
    def test_opens_names_in_every_script(self, as_bob, demo_band, output_name):
        make_recording(demo_band, output_name)

        listed = as_bob.get("/library/demo-band")
        opened = as_bob.get(reverse("recording", args=["demo-band", output_name]))

        assert titles(listed) == [output_name]
        assert opened.status_code == 200

    def test_shows_names_as_text(self, as_bob, demo_band):
        make_recording(demo_band, "x", display_name="<script>alert(1)</script>")

        assert b"<script>alert" not in as_bob.get("/library/demo-band/x").content

    def test_only_staff_are_led_to_the_admin(self, client, as_bob, alice, demo_band):
        make_recording(demo_band, "x")

        assert b"/admin/" not in as_bob.get("/library/demo-band/x").content
        client.force_login(alice)
        assert b"/admin/catalog/recording/" in client.get("/library/demo-band/x").content

    @pytest.mark.parametrize("stems", [2, 50])
    def test_costs_the_same_for_two_stems_as_for_fifty(self, as_bob, demo_band, stems, django_assert_num_queries):
        make_recording(demo_band, "x", stem_types=[f"stem-{number}" for number in range(stems)])

        # session with its user, recording with its profile, its stems, their source files
        with django_assert_num_queries(4):
            as_bob.get("/library/demo-band/x")

    def test_a_recording_whose_stems_are_gone_still_opens(self, as_bob, demo_band):
        make_recording(demo_band, "x")
        Stem.objects.all().delete()

        page = as_bob.get("/library/demo-band/x")

        assert page.status_code == 200
        assert "Nothing to play" in page.content.decode()
        assert "player/page.js" not in page.content.decode()

    def test_tells_the_mixer_what_it_needs(self, as_bob, bob, demo_band):
        bob.my_part = "bass"
        bob.save()
        recording = make_recording(demo_band, "x", stem_types=["drums", "bass"], duration=12.5)

        page = as_bob.get("/library/demo-band/x").content.decode()

        assert 'data-my-part="bass"' in page
        assert f'data-practice="/api/recordings/{recording.pk}/practice"' in page
        stems = json.loads(re.search(r'<script id="stems" type="application/json">(.*?)</script>', page)[1])
        assert [stem["id"] for stem in stems] == ["drums", "bass"]
        assert (
            stems[0].items()
            >= {
                "type": "drums",
                "url": "/media/demo-band/x/drums.opus",
                "gainDb": -1.6,
                "duration": 12.5,
                "size": 4_320_000,
            }.items()
        )

    def test_names_of_stems_cannot_end_the_script(self, as_bob, demo_band):
        make_recording(demo_band, "x", stem_types=["</script><script>alert(1)</script>"])

        assert b"<script>alert" not in as_bob.get("/library/demo-band/x").content

    def test_without_scripts_the_stems_can_be_listened_to(self, as_bob, demo_band):
        make_recording(demo_band, "x", stem_types=["drums"])

        page = as_bob.get("/library/demo-band/x").content.decode()

        assert re.search(r'<noscript><audio controls preload="none" src="/media/demo-band/x/drums.opus"', page)


@pytest.mark.parametrize("path", ["/library", "/library/demo-band", "/library/demo-band/x", "/login", "/nowhere"])
def test_pages_hold_nothing_that_the_content_security_policy_forbids(client, as_bob, demo_band, path):
    make_recording(demo_band, "x")
    if path == "/login":
        client.logout()

    response = client.get(path)
    page = response.content.decode()

    policy = response["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    # Compiling WebAssembly is no script of somebody else's; only the mixer does it.
    allowed = ["'wasm-unsafe-eval'"] if path == "/library/demo-band/x" else []
    assert re.findall(r"'[a-z-]*unsafe[a-z-]*'", policy) == allowed
    assert "<style" not in page
    assert " style=" not in page
    assert "<script>" not in page
    assert " onclick=" not in page


@pytest.mark.parametrize("path", ["/library/", "/library/demo-band/", "/login/", "/logout/"])
def test_no_address_ends_in_a_slash(as_bob, path):
    assert as_bob.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/library", "/library/demo-band"])
def test_pages_are_only_read(as_bob, path):
    assert as_bob.post(path).status_code == 405


class TestErrors:
    def test_not_found_is_friendly(self, as_bob):
        response = as_bob.get("/nowhere")

        assert response.status_code == 404
        assert b"Back to the library" in response.content

    def test_a_breakdown_is_friendly_and_needs_no_database(self, client, settings, monkeypatch):
        client.raise_request_exception = False

        def broken(*_asked):
            raise RuntimeError("broken")

        monkeypatch.setattr("catalog.media._may_have", broken)  # media asks nothing else of the database

        response = client.get("/media/a/b/c.opus")

        assert response.status_code == 500
        assert b"Something broke" in response.content

    def test_a_stale_form_is_friendly(self, bob):
        from django.test import Client

        client = Client(enforce_csrf_checks=True)
        client.force_login(bob)

        response = client.post("/logout")

        assert response.status_code == 403
        assert b"gone stale" in response.content
