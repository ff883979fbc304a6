"""Media: who gets a file, which files there are, and how browsers may ask for them."""

import os
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.urls import reverse
from django.utils.http import http_date

from accounts.tokens import make_personal_token
from catalog.media_urls import media_url
from catalog.models import Recording
from stemset.config.schema import R2Config
from stemset.file_answer import BLOCK
from stemset.storage_settings import handover, storage_settings
from tests.factories import make_recording, write_files
from tests.server import served

CONTENT = bytes(range(256)) * 4 + b"end"
SIZE = len(CONTENT)
URL = "/media/demo-band/x/vocals.opus"


@pytest.fixture
def recording(demo_band) -> Recording:
    """A recording whose files hold CONTENT."""
    recording = make_recording(demo_band, "x")
    for stem in recording.stems.all():
        for name in (stem.audio_url, stem.waveform_url):
            default_storage.save(name, ContentFile(CONTENT))
    return recording


@pytest.fixture
def as_bob(client, bob, recording):
    client.force_login(bob)
    return client


def fetch(client, url: str = URL, **headers: str):
    """Get a file and read it to its end, as `body`."""
    response = client.get(url, headers={name.replace("_", "-"): value for name, value in headers.items()})
    response.body = response.getvalue()
    return response


class TestWhole:
    def test_arrives_with_everything_a_browser_wants_to_know(self, as_bob):
        response = fetch(as_bob)

        assert response.status_code == 200
        assert response.body == CONTENT
        assert response["Content-Length"] == str(SIZE)
        assert response["Accept-Ranges"] == "bytes"
        assert response["ETag"].startswith('"')  # strong
        assert response["Last-Modified"].endswith("GMT")
        assert response["Cache-Control"] == "private, no-cache"
        assert response["X-Content-Type-Options"] == "nosniff"

    @pytest.mark.parametrize(
        ("file", "content_type"),
        [
            ("a.opus", "audio/ogg"),
            ("a.flac", "audio/flac"),
            ("a.WAV", "audio/wav"),
            ("a.m4a", "audio/mp4"),
            ("a.png", "image/png"),
            ("a.html", "application/octet-stream"),
        ],
    )
    def test_has_its_type(self, as_bob, recording, file, content_type):
        stem = recording.stems.first()
        stem.audio_url = f"demo-band/x/{file}"
        stem.save()
        default_storage.save(stem.audio_url, ContentFile(b"x"))

        assert fetch(as_bob, f"/media/demo-band/x/{file}")["Content-Type"] == content_type

    def test_is_read_in_blocks(self, as_bob, recording):
        default_storage.save("demo-band/x/vocals.opus", ContentFile(b"x" * (2 * BLOCK + 1)))

        assert [len(block) for block in as_bob.get(URL).streaming_content] == [BLOCK, BLOCK, 1]

    def test_head_has_the_same_headers_and_no_body(self, as_bob):
        whole, head = fetch(as_bob), as_bob.head(URL, headers={"Range": "bytes=0-1"})

        assert head.status_code == 200
        assert head.content == b""
        assert head.headers == whole.headers

    def test_an_empty_file_is_whole(self, as_bob):
        default_storage.save("demo-band/x/vocals.opus", ContentFile(b""))

        response = fetch(as_bob)

        assert (response.status_code, response.body, response["Content-Length"]) == (200, b"", "0")

    def test_names_in_every_script_arrive(self, client, bob, demo_band):
        recording = make_recording(demo_band, "夜 #1?%20_12345678")
        for stem in recording.stems.all():
            default_storage.save(stem.audio_url, ContentFile(b"x"))
        client.force_login(bob)

        assert fetch(client, reverse("media", args=["demo-band/夜 #1?%20_12345678/vocals.opus"])).body == b"x"


class TestRanges:
    @pytest.mark.parametrize(
        ("asked", "first", "last"),
        [
            ("bytes=0-0", 0, 0),
            ("bytes=0-", 0, SIZE - 1),
            ("bytes=10-19", 10, 19),
            (f"bytes=1000-{SIZE + 5}", 1000, SIZE - 1),
            (f"bytes={SIZE - 1}-", SIZE - 1, SIZE - 1),
            ("bytes=-3", SIZE - 3, SIZE - 1),
            (f"bytes=-{SIZE + 10}", 0, SIZE - 1),
            ("Bytes= 1-2 ", 1, 2),
            ("bytes=1-999999999999999999", 1, SIZE - 1),
        ],
    )
    def test_a_part(self, as_bob, asked, first, last):
        response = fetch(as_bob, Range=asked)

        assert response.status_code == 206
        assert response.body == CONTENT[first : last + 1]
        assert response["Content-Range"] == f"bytes {first}-{last}/{SIZE}"
        assert response["Content-Length"] == str(last + 1 - first)
        assert response["ETag"] == fetch(as_bob)["ETag"]
        assert response["Content-Type"] == "audio/ogg"

    @pytest.mark.parametrize("asked", [f"bytes={SIZE}-", f"bytes={SIZE + 1}-{SIZE + 2}", "bytes=-0"])
    def test_a_part_that_is_not_there(self, as_bob, asked):
        response = fetch(as_bob, Range=asked)

        assert response.status_code == 416
        assert response["Content-Range"] == f"bytes */{SIZE}"
        assert response.body == b""

    @pytest.mark.parametrize("asked", ["bytes=0-", "bytes=-5"])
    def test_no_part_of_an_empty_file_is_there(self, as_bob, asked):
        default_storage.save("demo-band/x/vocals.opus", ContentFile(b""))

        assert fetch(as_bob, Range=asked).status_code == 416

    @pytest.mark.parametrize(
        "asked",
        ["", "bytes", "bytes=", "bytes=-", "bytes=5-4", "bytes=a-b", "bytes=0-1,4-5", "lines=0-1", "bytes=--1",
         "bytes=１-２", "bytes=0x1-2", "bytes=" + "9" * 5000 + "-"],
    )  # fmt: skip
    def test_what_is_no_single_range_gets_the_whole(self, as_bob, asked):
        response = fetch(as_bob, Range=asked)

        assert response.status_code == 200
        assert response.body == CONTENT

    def test_if_range_with_the_current_validators_gets_the_part(self, as_bob):
        current = fetch(as_bob)

        for validator in (current["ETag"], current["Last-Modified"]):
            response = fetch(as_bob, Range="bytes=0-1", If_Range=validator)
            assert response.status_code == 206

    @pytest.mark.parametrize("validator", ['"old"', http_date(0), "W/{etag}", "nonsense"])
    def test_if_range_with_other_validators_gets_the_whole(self, as_bob, validator):
        validator = validator.replace("{etag}", fetch(as_bob)["ETag"])

        assert fetch(as_bob, Range="bytes=0-1", If_Range=validator).status_code == 200


class TestConditions:
    def test_what_the_browser_has_is_not_sent_again(self, as_bob):
        current = fetch(as_bob)

        for condition in ({"If_None_Match": current["ETag"]}, {"If_Modified_Since": current["Last-Modified"]}):
            response = fetch(as_bob, **condition, Range="bytes=0-1")
            assert response.status_code == 304
            assert response.body == b""
            assert response["ETag"] == current["ETag"]
            assert response["Cache-Control"] == "private, no-cache"

    def test_a_replaced_file_is_sent(self, as_bob, media):
        old = fetch(as_bob)["ETag"]
        default_storage.save("demo-band/x/vocals.opus", ContentFile(CONTENT[::-1]))
        os.utime(media / "demo-band/x/vocals.opus", ns=(0, 1))

        response = fetch(as_bob, If_None_Match=old)

        assert response.status_code == 200
        assert response.body == CONTENT[::-1]

    def test_an_answer_about_what_the_browser_has_says_whom_it_is_for(self, as_bob, settings):
        settings.CORS_ALLOWED_ORIGINS = ["https://band.example"]
        current = fetch(as_bob)

        response = fetch(as_bob, If_None_Match=current["ETag"], Origin="https://band.example")

        assert response.status_code == 304
        assert response["Access-Control-Allow-Origin"] == "https://band.example"
        assert "origin" in response["Vary"]

    @pytest.mark.parametrize(
        ("condition", "status"),
        [
            ({"If_None_Match": "*"}, 304),
            ({"If_None_Match": 'W/{etag}, "other"'}, 304),
            ({"If_None_Match": '"other"', "If_Modified_Since": "{date}"}, 200),
            ({"If_Unmodified_Since": http_date(1)}, 412),
            ({"If_Match": "{etag}"}, 200),
            ({"If_Match": "W/{etag}"}, 412),
            ({"If_Match": '"other"', "Range": "bytes=0-1"}, 412),
        ],
    )
    def test_conditions_are_weighed_as_the_standard_says(self, as_bob, condition, status):
        current = fetch(as_bob)
        filled = {
            name: text.replace("{etag}", current["ETag"]).replace("{date}", current["Last-Modified"])
            for name, text in condition.items()
        }

        assert fetch(as_bob, **filled).status_code == status

    def test_a_condition_that_fails_is_said(self, as_bob):
        assert fetch(as_bob, If_Match='"other"').status_code == 412


class TestWhatThereIs:
    @pytest.mark.parametrize(
        "path",
        [
            "",
            "demo-band",
            "demo-band/x",
            "demo-band/x/",
            "demo-band/x/metadata.json",  # there, but no stem's
            "demo-band/x/vocals.opus/",
            "demo-band/x/vocals.opus%00",
            "demo-band/x/vocals.opus%00.png",
            "demo-band//x/vocals.opus",
            "/demo-band/x/vocals.opus",
            "//demo-band/x/vocals.opus",
            "demo-band/x/./vocals.opus",
            "demo-band/x/../x/vocals.opus",
            "demo-band/x/%2e%2e/x/vocals.opus",
            "demo-band%2fx%2f..%2fx%2fvocals.opus",
            "demo-band\\x\\vocals.opus",
            "DEMO-BAND/x/vocals.opus",
            "demo-band/x/VOCALS.opus",
            "demo-band/x/%",
            "demo-band/x/_ocals.opus",
            "../../../../etc/passwd",
            "%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
            "/etc/passwd",
            "%2fetc%2fpasswd",
            "demo-band/x/%ff%fe",
            "other-band/x/vocals.opus",
            "demo-band/../other-band/x/vocals.opus",
        ],
    )
    def test_only_what_stems_name_is_there(self, as_bob, other_band, media, path):
        theirs = make_recording(other_band, "x")
        default_storage.save(theirs.stems.get(stem_type="vocals").audio_url, ContentFile(b"theirs"))
        (media / "demo-band/x/metadata.json").write_text("{}")

        assert fetch(as_bob, f"/media/{path}").status_code == 404

    @pytest.mark.parametrize(
        "planted", ["../outside.opus", "/etc/hostname", "demo-band/x/../../../outside.opus", "other-band/x/vocals.opus"]
    )
    def test_a_stem_that_names_a_file_outside_its_folder_opens_nothing(self, as_bob, recording, media, planted):
        (media.parent / "outside.opus").write_bytes(b"outside")
        stem = recording.stems.get(stem_type="vocals")
        stem.audio_url = planted
        stem.save()

        assert as_bob.get(f"/media/{planted}").status_code == 404

    @pytest.mark.parametrize("damage", ["missing", "a folder", "its folder is a file"])
    def test_a_file_that_cannot_be_opened_is_not_there(self, as_bob, media, damage):
        path: Path = media / "demo-band/x/vocals.opus"
        path.unlink()
        if damage == "a folder":
            path.mkdir()
        elif damage == "its folder is a file":
            for other in path.parent.iterdir():
                other.unlink()
            path.parent.rmdir()
            path.parent.touch()

        assert fetch(as_bob).status_code == 404

    @pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
    def test_files_are_only_read(self, as_bob, method):
        assert getattr(as_bob, method)(URL).status_code == 405

    @pytest.mark.parametrize("person", ["bob", "alice", "charlie", "dora", None])
    def test_who_may_have_a_file(self, client, recording, request, person):
        if person:
            client.force_login(request.getfixturevalue(person))

        assert fetch(client).status_code == (200 if person in ("bob", "alice") else 404)

    def test_a_file_is_closed_when_the_browser_hangs_up(self, as_bob):
        response = as_bob.get(URL)
        file = response.file_to_stream.file
        next(iter(response.streaming_content))

        response.close()

        assert file.closed

    def test_costs_one_question_beside_the_session(self, as_bob, django_assert_num_queries):
        # the session with its person, the file with the access check
        with django_assert_num_queries(2):
            fetch(as_bob)


@pytest.mark.django_db(transaction=True)
class TestOverHttp:
    """gunicorn has the system send the bytes: it must send these and no others, and go on with the next request."""

    def test_parts_arrive_on_one_connection(self, recording, bob):
        default_storage.save("demo-band/x/vocals.opus", ContentFile(CONTENT * 500))
        whole, size = CONTENT * 500, SIZE * 500
        _row, token = make_personal_token(bob, "test")
        asked = [
            ("GET", "", 200, whole),
            ("GET", "bytes=100000-300000", 206, whole[100_000:300_001]),
            ("HEAD", "bytes=5-6", 200, b""),
            ("GET", "bytes=-7", 206, whole[-7:]),
            ("GET", f"bytes={size}-", 416, b""),
            ("GET", "bytes=0-0", 206, whole[:1]),
            ("GET", "", 200, whole),
        ]
        with served() as address, closing(HTTPConnection(urlsplit(address).netloc, timeout=30)) as connection:
            for method, part, status, body in asked:
                headers = {"Authorization": f"Bearer {token}", **({"Range": part} if part else {})}
                connection.request(method, URL, headers=headers)
                response = connection.getresponse()
                assert (response.status, response.read() == body) == (status, True), part
                assert response.getheader("Content-Length") == str(size if method == "HEAD" else len(body))
                assert response.getheader("Transfer-Encoding") is None


class TestFrontServer:
    """The server in front of us is told which file to send, and does the rest."""

    ODD = "Übung & 100%?#"

    @pytest.fixture
    def odd(self, as_bob, demo_band) -> str:
        make_recording(demo_band, self.ODD)
        return reverse("media", args=[f"demo-band/{self.ODD}/vocals.opus"])

    def test_nginx_is_told_the_place_percent_encoded(self, as_bob, settings, odd):
        settings.STEMSET_SENDFILE = handover("x-accel-redirect:/protected-media")

        response = fetch(as_bob, odd)

        assert response.status_code == 200
        place = "/protected-media/demo-band/%C3%9Cbung%20%26%20100%25%3F%23/vocals.opus"
        assert response["X-Accel-Redirect"] == place

    def test_a_line_break_does_not_end_the_header(self, as_bob, demo_band, settings, media):
        make_recording(demo_band, "a\nb")
        (media / "demo-band/a\nb").mkdir()
        (media / "demo-band/a\nb/vocals.opus").write_bytes(b"x")
        place = quote("/media/demo-band/a\nb/vocals.opus")

        settings.STEMSET_SENDFILE = handover("x-accel-redirect:/x")
        assert fetch(as_bob, place)["X-Accel-Redirect"] == "/x/demo-band/a%0Ab/vocals.opus"
        settings.STEMSET_SENDFILE = handover("x-sendfile")
        assert fetch(as_bob, place)["X-Sendfile"] == f"{media}/demo-band/a%0Ab/vocals.opus"

    def test_others_are_told_the_path(self, as_bob, settings, odd, media):
        default_storage.save(f"demo-band/{self.ODD}/vocals.opus", ContentFile(b"x"))
        settings.STEMSET_SENDFILE = handover("x-sendfile")

        told = fetch(as_bob, odd)["X-Sendfile"].encode("latin-1").decode()

        assert told.replace("%25", "%") == f"{media}/demo-band/{self.ODD}/vocals.opus"

    @pytest.mark.parametrize("way", ["x-accel-redirect:/x", "x-sendfile"])
    def test_ranges_and_conditions_are_left_to_it(self, as_bob, settings, way):
        settings.STEMSET_SENDFILE = handover(way)

        response = fetch(as_bob, Range="bytes=1-2", If_None_Match="*")

        assert (response.status_code, response.body) == (200, b"")
        assert response["Content-Type"] == "audio/ogg"
        assert response["Cache-Control"] == "private, no-cache"
        assert not {"Content-Range", "Last-Modified", "Accept-Ranges"} & set(response.headers)

    @pytest.mark.parametrize("way", ["x-accel-redirect:/x", "x-sendfile"])
    def test_strangers_are_refused_before(self, client, charlie, recording, settings, way):
        settings.STEMSET_SENDFILE = handover(way)
        client.force_login(charlie)

        response = fetch(client)

        assert response.status_code == 404
        assert not {"X-Accel-Redirect", "X-Sendfile"} & set(response.headers)

    def test_a_stem_that_names_a_file_outside_hands_over_nothing(self, as_bob, recording, settings):
        settings.STEMSET_SENDFILE = handover("x-accel-redirect:/x")
        stem = recording.stems.get(stem_type="vocals")
        stem.audio_url = "demo-band/x/.."
        stem.save()
        stem.recording.output_name = "x/.."
        stem.recording.save()

        assert as_bob.get("/media/demo-band/x/../..").status_code == 404


class TestKeys:
    """A client at another origin asks for waveforms without a cookie."""

    WAVEFORM = "demo-band/x/vocals_waveform.png"

    @pytest.fixture(autouse=True)
    def elsewhere(self, settings):
        settings.CROSS_ORIGIN_CLIENT = True
        settings.BACKEND_URL = "https://api.band.example"

    def local(self, path: str) -> str:
        return media_url(path, is_waveform=True).removeprefix("https://api.band.example")

    def test_a_waveform_is_had_by_its_key(self, client, recording):
        response = fetch(client, self.local(self.WAVEFORM))

        assert response.status_code == 200
        assert response["Content-Type"] == "image/png"

    def test_without_or_with_another_key_it_is_not(self, client, recording):
        other = self.local("demo-band/x/drums_waveform.png").partition("?")[2]

        for query in ("", "key=", "key=0", "key=é", other):
            assert fetch(client, f"/media/{self.WAVEFORM}?{query}").status_code == 404

    def test_a_key_opens_no_audio(self, client, recording):
        assert fetch(client, self.local("demo-band/x/vocals.opus")).status_code == 404

    def test_a_key_opens_nothing_that_the_catalogue_does_not_name(self, client, recording, media):
        (media / "demo-band/x/metadata.json").write_text("{}")
        recording.delete()

        for path in (self.WAVEFORM, "demo-band/x/metadata.json", "../outside"):
            assert fetch(client, self.local(path)).status_code == 404

    def test_who_is_signed_in_needs_none(self, as_bob):
        assert fetch(as_bob, f"/media/{self.WAVEFORM}").status_code == 200
        assert fetch(as_bob, f"/media/{self.WAVEFORM}?key=wrong").status_code == 200

    def test_where_the_client_is_ours_keys_are_worth_nothing(self, client, recording, settings):
        address = self.local(self.WAVEFORM)
        settings.CROSS_ORIGIN_CLIENT = False

        assert fetch(client, address).status_code == 404


class TestObjectStore:
    @pytest.fixture(autouse=True)
    def object_store(self, settings, recording):
        settings.STORAGES = {
            **settings.STORAGES,
            "default": {
                "BACKEND": "catalog.storage.ObjectStorage",
                "OPTIONS": {
                    "bucket_name": "stemset-media",
                    "access_key": "key",
                    "secret_key": "secret",
                    "endpoint_url": "https://objects.example",
                    "region_name": "auto",
                },
            },
        }

    def test_leads_to_a_signed_address_that_outlives_the_redirect(self, as_bob):
        response = fetch(as_bob)

        target = urlsplit(response["Location"])
        signed = parse_qs(target.query)
        assert response.status_code == 302
        assert (target.scheme, target.netloc) == ("https", "objects.example")
        assert target.path == "/stemset-media/demo-band/x/vocals.opus"
        assert signed["response-content-type"] == ["audio/ogg"]
        private, max_age = response["Cache-Control"].split(", ")
        assert private == "private"
        assert 0 < int(max_age.removeprefix("max-age=")) < int(signed["X-Amz-Expires"][0])

    def test_whoever_uses_this_browser_next_does_not_inherit_it(self, as_bob):
        assert {"Cookie", "Authorization"} <= set(fetch(as_bob)["Vary"].split(", "))

    def test_a_public_address_of_the_bucket_is_not_where_people_are_sent(self, as_bob, settings):
        # Whoever has one such address has the file for ever; ours are good for an hour.
        r2 = R2Config(
            account_id="a", access_key_id="k", secret_access_key="s", bucket_name="b", public_url="https://p.example"
        )
        settings.STORAGES = {**settings.STORAGES, "default": storage_settings(r2)}

        target = urlsplit(fetch(as_bob)["Location"])

        assert target.netloc == "a.r2.cloudflarestorage.com"
        assert "X-Amz-Signature" in parse_qs(target.query)

    def test_a_front_server_is_not_told_of_files_that_are_elsewhere(self, as_bob, settings):
        settings.STEMSET_SENDFILE = handover("x-accel-redirect:/x")

        assert fetch(as_bob).status_code == 302

    def test_the_signature_is_for_the_method(self, as_bob):
        assert as_bob.head(URL)["Location"] != fetch(as_bob)["Location"]

    def test_the_longest_names_fit(self, client, bob, demo_band):
        make_recording(demo_band, "夜" * 255)
        client.force_login(bob)
        assert client.get(reverse("media", args=[f"demo-band/{'夜' * 255}/vocals.opus"])).status_code == 302

    def test_strangers_get_no_address(self, client, as_bob, charlie):
        client.force_login(charlie)

        assert client.get(URL).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_a_slow_listener_keeps_no_connection_of_the_pool(client, bob, demo_band):
    write_files(make_recording(demo_band, "x", duration=0.1))
    client.force_login(bob)

    response = client.get("/media/demo-band/x/vocals.opus")

    assert connection.connection is None  # given back, before the first byte is taken
    assert response.getvalue()
