"""What pages of other origins may read, of every kind of answer: those of configured ones all, others nothing."""

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client, override_settings

from tests.factories import make_recording

CLIENT = "https://client.example"
FILE = "/media/demo-band/x/vocals.opus"


@pytest.fixture(autouse=True)
def allowed(settings):
    settings.CORS_ALLOWED_ORIGINS = settings.TRUSTED_ORIGINS = [CLIENT]


@pytest.fixture
def as_bob(bob, demo_band) -> Client:
    recording = make_recording(demo_band, "x")
    for stem in recording.stems.all():
        default_storage.save(stem.audio_url, ContentFile(b"audio"))
    client = Client(raise_request_exception=False)
    client.force_login(bob)
    return client


def not_modified(client: Client, **headers: str):
    etag = client.get("/api/profiles/demo-band/files")["ETag"]
    return client.get("/api/profiles/demo-band/files", headers={**headers, "If-None-Match": etag})


def redirected(client: Client, **headers: str):
    """What comes without TLS."""
    with override_settings(SECURE_SSL_REDIRECT=True):
        return Client().get("/auth/status", headers=headers)


def refused(client: Client, **headers: str):
    """What may be read is one thing, what may be changed another."""
    with override_settings(TRUSTED_ORIGINS=[]):
        strict = Client(enforce_csrf_checks=True)
        strict.cookies = client.cookies
        return strict.post("/auth/logout-everywhere", headers=headers)


def broken(client: Client, **headers: str):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("catalog.media._exists", lambda *_: 1 / 0)
        return client.get(FILE, headers=headers)


ANSWERS = {
    "200": lambda client, **said: client.get("/api/profiles", headers=said),
    "200 of media": lambda client, **said: client.get(FILE, headers=said),
    "200 of the sign-in": lambda client, **said: client.get("/auth/status", headers=said),
    "206": lambda client, **said: client.get(FILE, headers={**said, "Range": "bytes=0-1"}),
    "301": redirected,
    "304": not_modified,
    "304 of media": lambda client, **said: client.get(FILE, headers={**said, "If-None-Match": "*"}),
    "400": lambda client, **said: client.get("/api/profiles", headers={**said, "Host": "evil.example"}),
    "401": lambda client, **said: Client().get("/api/profiles", headers=said),
    "403": refused,
    "404": lambda client, **said: client.get("/api/profiles/nobodys/files", headers=said),
    "404 of an address": lambda client, **said: client.get("/api/nothing", headers=said),
    "404 of media": lambda client, **said: client.get("/media/nothing", headers=said),
    "405": lambda client, **said: client.delete("/api/profiles", headers=said),
    "416": lambda client, **said: client.get(FILE, headers={**said, "Range": "bytes=9-"}),
    "500": broken,
}  # fmt: skip


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_configured_origin_may_read_it(as_bob, kind):
    response = ANSWERS[kind](as_bob, Origin=CLIENT)
    response.close()

    assert str(response.status_code) == kind[:3]
    assert response["Access-Control-Allow-Origin"] == CLIENT
    assert response["Access-Control-Allow-Credentials"] == "true"
    assert "origin" in response["Vary"].lower().split(", ")
    assert "etag" in response["Access-Control-Expose-Headers"]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://client.example", f"{CLIENT}.evil.example"])
@pytest.mark.parametrize("kind", ANSWERS)
def test_no_other_origin_may(as_bob, kind, origin):
    response = ANSWERS[kind](as_bob, Origin=origin)
    response.close()

    assert not [name for name in response.headers if name.lower().startswith("access-control-")]
    assert "origin" in response["Vary"].lower().split(", ")


def test_without_an_origin_a_cache_is_told_all_the_same(as_bob):
    response = as_bob.get("/api/profiles")

    assert "Access-Control-Allow-Origin" not in response
    assert "origin" in response["Vary"].lower().split(", ")


@pytest.mark.parametrize("path", ["/api/profiles/demo-band/files/x/display-name", "/auth/status", FILE, "/api/nothing"])
def test_before_a_patch_the_browser_asks(client, path):
    asked = {
        "Origin": CLIENT,
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "content-type,authorization",
    }

    response = client.options(path, headers=asked)

    assert response.status_code == 200
    assert response["Access-Control-Allow-Origin"] == CLIENT
    assert response["Access-Control-Allow-Credentials"] == "true"
    assert "PATCH" in response["Access-Control-Allow-Methods"]
    allowed = response["Access-Control-Allow-Headers"].lower().split(", ")
    assert {"content-type", "authorization", "range", "if-none-match"} <= set(allowed)
    assert int(response["Access-Control-Max-Age"]) > 0
    assert "origin" in response["Vary"].lower()
    assert "Access-Control-Allow-Origin" not in client.options(
        path, headers={**asked, "Origin": "https://evil.example"}
    )


@pytest.mark.parametrize("path", ["/library", "/login", "/account", "/admin/", "/apis"])
def test_pages_are_for_no_other_origin(as_bob, path):
    assert "Access-Control-Allow-Origin" not in as_bob.get(path, headers={"Origin": CLIENT})
