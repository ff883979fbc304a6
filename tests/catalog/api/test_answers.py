"""What all answers have in common: tags, caching, errors of one shape, and a limit."""

import json

import pytest
from django.urls import path as route
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from catalog.models import Recording
from stemset.json_api import to_json
from stemset.throttles import PerPerson
from tests.factories import make_recording, make_user

GETS = ["/api/recordings", "/api/stems?ordering=loudness", "/api/audio-files", "/api/schema"]


class TestConditionalGet:
    @pytest.mark.parametrize("path", GETS)
    def test_what_has_not_changed_is_not_sent_again(self, as_bob, demo_band, path):
        make_recording(demo_band)
        first = as_bob.get(path)

        again = as_bob.get(path, headers={"If-None-Match": first["ETag"]})

        assert first.status_code == 200
        assert first["ETag"].startswith('"')  # strong
        assert first["Cache-Control"] == "private, no-cache"
        assert {"Cookie", "Authorization"} <= set(first["Vary"].split(", "))
        assert again.status_code == 304
        assert again.content == b""
        for header in ("ETag", "Cache-Control", "Vary"):
            assert again[header] == first[header]

    def test_what_has_changed_is(self, as_bob, demo_band):
        recording = make_recording(demo_band)
        path = f"/api/recordings/{recording.pk}"
        first = as_bob.get(path)

        as_bob.patch(path, {"display_name": "New"}, format="json")
        again = as_bob.get(path, headers={"If-None-Match": first["ETag"]})

        assert again.status_code == 200
        assert again["ETag"] != first["ETag"]

    def test_a_tag_is_of_one_address(self, as_bob, demo_band):
        make_recording(demo_band, stem_types=["vocals", "bass"], lufs={"vocals": -10.0, "bass": -20.0})

        assert as_bob.get("/api/stems?ordering=loudness")["ETag"] != as_bob.get("/api/stems?ordering=-loudness")["ETag"]

    def test_a_tag_of_what_one_may_no_longer_see_gets_nothing(self, as_bob, bob, demo_band):
        recording = make_recording(demo_band)
        path = f"/api/recordings/{recording.pk}"
        tag = as_bob.get(path)["ETag"]

        bob.profile_links.all().delete()

        assert as_bob.get(path, headers={"If-None-Match": tag}).status_code == 404

    def test_head_has_the_same_headers(self, as_bob, demo_band):
        make_recording(demo_band)

        get, head = as_bob.get("/api/recordings"), as_bob.head("/api/recordings")

        assert head.status_code == 200
        assert head["ETag"] == get["ETag"]
        assert as_bob.head("/api/recordings", headers={"If-None-Match": get["ETag"]}).status_code == 304

    def test_one_that_must_match_and_does_not_is_told_so(self, as_bob, demo_band):
        response = as_bob.get("/api/recordings", headers={"If-Match": '"x"'})

        assert response.status_code == 412
        assert "changed" in response.json()["detail"]

    def test_errors_are_not_kept_for_others(self, as_bob):
        response = as_bob.get("/api/recordings?x=1")

        assert response["Cache-Control"] == "private, no-cache"
        assert "ETag" not in response


class TestErrors:
    @pytest.fixture
    def path(self, demo_band) -> str:
        return f"/api/recordings/{make_recording(demo_band).pk}"

    def assert_error(self, response, status: int) -> str:
        assert response.status_code == status
        assert response["Content-Type"] == "application/json"
        answer = response.json()
        assert set(answer) <= {"detail", "errors"}
        assert isinstance(answer["detail"], str)
        assert answer["detail"]
        for texts in answer.get("errors", {}).values():
            assert texts
            assert all(isinstance(text, str) for text in texts)
        return answer["detail"]

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"\xff\xfe",
            b'{"display_name": NaN}',
            b'{"display_name": "\\ud800"}',
            b"[" * 100_000,
            b'{"display_name":' + b"[" * 1000 + b"]" * 1000 + b"}",
            b"[]",
            b"null",
            b'"x"',
            b'{"display_name": ' + b"9" * 10_000 + b"}",
        ],
    )
    def test_of_bodies_that_are_no_such_json(self, as_bob, path, body):
        response = as_bob.generic("PATCH", path, body, content_type="application/json")

        self.assert_error(response, 400)
        assert Recording.objects.get().display_name == ""

    @pytest.mark.parametrize("charset", ["utf-16", "latin-1", "bz2_codec", "no-such"])
    def test_of_no_charset(self, as_bob, path, charset):
        content_type = f"application/json; charset={charset}"

        response = as_bob.generic("PATCH", path, b'{"display_name": "x"}', content_type=content_type)

        assert response.status_code == 200  # JSON is UTF-8, whatever is said of it

    def test_of_bodies_that_are_too_large(self, as_bob, path, settings):
        body = json.dumps({"display_name": "x" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE}).encode()

        response = as_bob.generic("PATCH", path, body, content_type="application/json")

        self.assert_error(response, 413)

    def test_of_other_media_types(self, as_bob, path):
        response = as_bob.generic("PATCH", path, b"<x/>", content_type="text/xml")

        assert "application/json" in self.assert_error(response, 415)

    def test_of_answers_that_are_not_wanted(self, as_bob, path):
        assert "application/json" in self.assert_error(as_bob.get(path, headers={"Accept": "text/xml"}), 406)

    def test_of_other_methods(self, as_bob, path):
        response = as_bob.post(f"{path}?x=1", {}, format="json")

        self.assert_error(response, 405)
        assert {"GET", "PATCH"} <= set(response["Allow"].split(", "))

    @pytest.mark.parametrize("path", ["/api/recordings/", "/api/recordings/x", "/api/no-such", "/api", "/api/"])
    def test_of_addresses_that_do_not_exist(self, as_bob, path):
        self.assert_error(as_bob.get(path), 404)

    def test_of_too_many_parameters(self, as_bob):
        self.assert_error(as_bob.get("/api/recordings?" + "&".join(f"x{number}=" for number in range(2000))), 400)

    def test_of_strangers(self, asking, path):
        response = asking(None).get(path)

        self.assert_error(response, 401)
        assert response["WWW-Authenticate"] == "Bearer"

    def test_of_pages_elsewhere(self, bob, path):
        from rest_framework.test import APIClient

        client = APIClient(enforce_csrf_checks=True)
        client.force_login(bob)

        response = client.patch(
            path, {"display_name": "x"}, format="json", headers={"Origin": "https://elsewhere.example"}
        )

        self.assert_error(response, 403)

    def test_of_ours(self, as_bob, path, monkeypatch):
        def broken(_user):
            raise RuntimeError("a secret")

        monkeypatch.setattr("catalog.api.viewsets.visible_recordings", broken)
        as_bob.raise_request_exception = False

        response = as_bob.get(path)

        assert "secret" not in self.assert_error(response, 500)

    def test_of_parts_of_a_document_name_the_part(self, as_bob, settings):
        settings.ROOT_URLCONF = __name__

        response = as_bob.get("/nested")

        detail = self.assert_error(response, 400)
        assert detail == "Together they are wrong. a: One. a: Two. b.c: Three. d.1.e: Four."
        assert response.json()["errors"] == {"a": ["One.", "Two."], "b.c": ["Three."], "d.1.e": ["Four."]}


class Nested(APIView):
    def get(self, request: Request) -> Response:
        raise_nested()


def raise_nested() -> None:
    from rest_framework.exceptions import ValidationError

    raise ValidationError(
        {
            "non_field_errors": ["Together they are wrong."],
            "a": ["One.", "Two."],
            "b": {"c": ["Three."]},
            "d": {"1": {"e": ["Four."]}},
        }
    )


urlpatterns = [route("nested", Nested.as_view())]
handler404 = "stemset.errors.not_found"


class TestThrottling:
    @pytest.fixture(autouse=True)
    def low_rate(self, monkeypatch):
        monkeypatch.setattr(PerPerson, "THROTTLE_RATES", {"user": "3/minute"})

    def test_stops_a_person_who_asks_too_much_and_nobody_else(self, asking, bob, demo_band):
        another = make_user("another@example.org", profiles=[demo_band])

        statuses = [asking(bob).get("/api/stems").status_code for _ in range(4)]
        refused = asking(bob).get("/api/recordings")

        assert statuses == [200, 200, 200, 429]
        assert 0 < int(refused["Retry-After"]) <= 60
        assert refused.json() == {
            "detail": f"That was too much at once. Try again in {refused['Retry-After']} seconds."
        }
        assert asking(another).get("/api/stems").status_code == 200

    def test_does_not_count_strangers(self, asking, db):
        assert [asking(None).get("/auth/status").status_code for _ in range(5)] == [200] * 5

    def test_never_stops_what_the_client_polls(self, as_bob, demo_band):
        polled = ["/api/profiles", "/api/profiles/demo-band", "/api/profiles/demo-band/files"]

        for path in polled * 4:
            assert as_bob.get(path).status_code == 200


class TestJson:
    def test_has_no_numbers_that_json_has_not(self):
        assert to_json({"x": float("nan"), "y": float("-inf")}) == b'{"x":null,"y":null}'

    def test_has_integers_of_any_size(self):
        assert to_json({"x": 2**70, "y": "ö"}) == b'{"x":1180591620717411303424,"y":"\\u00f6"}'

    def test_has_documents_of_any_depth(self):
        document = None
        for _ in range(300):
            document = [document]

        assert json.loads(to_json(document)) == document
