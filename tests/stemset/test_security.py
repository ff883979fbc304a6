"""The headers and cookies that every kind of answer must have, and `check --deploy`."""

import re
import subprocess
import sys

import pytest
import requests
from django.conf import settings as django_settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client

from tests.factories import make_recording
from tests.server import served
from tests.site import ROOT, site_environment

PRODUCTION = {"STEMSET_HTTPS": "true", "ALLOWED_HOSTS": "band.example", "DATABASE_POOL": "false"}


@pytest.fixture
def as_alice(alice, demo_band) -> Client:
    recording = make_recording(demo_band, "x")
    default_storage.save(recording.stems.get(stem_type="vocals").audio_url, ContentFile(b"audio"))
    client = Client(raise_request_exception=False)
    client.force_login(alice)
    return client


ANSWERS = {
    "page": "/library",
    "page with a player": "/library/demo-band/x",
    "sign-in page": "/login",
    "admin": "/admin/",
    "api": "/api/profiles",
    "bytes that are kept": "/api/profiles/demo-band/files",
    "documentation": "/api/docs",
    "media": "/media/demo-band/x/vocals.opus",
    "redirect": "/admin",
    "not found": "/nothing",
    "not found in the api": "/api/nothing",
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_every_answer(as_alice, kind):
    response = as_alice.get(ANSWERS[kind])
    response.close()

    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response["X-Frame-Options"] == "DENY"
    policy = directives(response)
    assert policy["default-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["object-src"] == "'none'"
    assert policy["form-action"] == "'self'"
    # The player compiles WebAssembly, which no other page does; nothing else is loosened anywhere.
    allowed = ["'wasm-unsafe-eval'"] if kind == "page with a player" else []
    assert re.findall(r"'[a-z-]*unsafe[a-z-]*'", response["Content-Security-Policy"]) == allowed
    assert "Strict-Transport-Security" not in response  # this site is not reached by TLS


IN_HTML = {"page", "page with a player", "sign-in page", "admin", "documentation", "redirect", "not found"}


@pytest.mark.parametrize("kind", ANSWERS)
def test_pages_may_play_and_keep_the_screen_on_and_nothing_else_of_the_device(as_alice, kind):
    response = as_alice.get(ANSWERS[kind])
    response.close()

    policy = response.get("Permissions-Policy", "")
    told = set(policy.split(", ")) if policy else set()
    wanted = {"autoplay=(self)", "camera=()", "geolocation=()", "microphone=()", "screen-wake-lock=(self)"}
    assert told == (wanted if kind in IN_HTML else set())


def directives(response) -> dict[str, str]:
    return dict(part.split(" ", 1) for part in response["Content-Security-Policy"].split("; "))


def test_an_error_has_them_too(as_alice, monkeypatch):
    monkeypatch.setattr("catalog.media._exists", lambda *_: 1 / 0)

    response = as_alice.get(ANSWERS["media"])

    assert response.status_code == 500
    assert response["X-Content-Type-Options"] == "nosniff"
    assert directives(response)["default-src"] == "'self'"


def test_our_own_files(settings, tmp_path):
    settings.STATIC_ROOT = tmp_path
    (tmp_path / "stemset.css").write_text("body {}")

    response = Client().get("/static/stemset.css")

    assert response.getvalue() == b"body {}"
    assert response["Content-Type"] == 'text/css; charset="utf-8"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in response


def test_scripts_and_styles_need_to_be_ours_or_to_know_the_nonce(as_alice):
    one, two = as_alice.get("/admin/"), as_alice.get("/admin/")

    nonce = directives(one)["script-src"].partition("'nonce-")[2].partition("'")[0]
    assert len(nonce) > 16
    assert f'nonce="{nonce}"'.encode() in one.content
    assert nonce not in two["Content-Security-Policy"]
    assert directives(as_alice.get("/api/profiles"))["script-src"] == "'self'"


def test_cookies_are_out_of_the_reach_of_scripts_and_of_other_sites(as_alice, bob):
    browser = Client()
    token = browser.get("/login")  # sets the CSRF cookie
    signed_in = browser.post("/login", {"username": "bob@example.org", "password": "secret"})

    assert signed_in.status_code == 302
    for name, response in (("csrftoken", token), ("sessionid", signed_in)):
        cookie = response.cookies[name]
        assert cookie["httponly"] is True
        assert cookie["samesite"] == "Lax"
        assert cookie["path"] == "/"


class TestDeployment:
    def check(self, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run check --deploy as on a server that does not process."""
        environment = site_environment()
        environment.pop("DJANGO_ALLOW_ASYNC_UNSAFE", None)  # of a browser test in the same process
        return subprocess.run(
            [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
            cwd=ROOT,
            env={
                **environment,
                **PRODUCTION,
                "SILENCED_SYSTEM_CHECKS": "stemset.E003,processing.W002,processing.W003",
                **variables,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def test_it_has_no_complaint(self):
        run = self.check()
        assert run.returncode == 0, run.stderr

    def test_it_would_complain_without_tls(self):
        run = self.check(STEMSET_HTTPS="false")
        assert run.returncode == 1
        for complaint in ("security.W004", "security.W008", "security.W012", "security.W016"):
            assert complaint in run.stderr

    def test_only_what_is_the_domain_owners_business_is_silenced(self):
        assert django_settings.SILENCED_SYSTEM_CHECKS[:2] == ["security.W005", "security.W021"]


@pytest.mark.django_db(transaction=True)
class TestBehindTls:
    """A proxy in front of a real server, which says that people came by TLS."""

    @pytest.fixture
    def site(self, bob):
        with served(**PRODUCTION, STEMSET_HSTS_SUBDOMAINS="true") as address:
            yield address

    def test_what_browsers_are_told(self, site, bob):
        bob.password = PBKDF2PasswordHasher().encode("secret", "salt", 1000)  # a real site does not know the tests' way
        bob.save()
        by_tls = {"Host": "band.example", "X-Forwarded-Proto": "https"}
        page = requests.get(site + "/login", headers=by_tls, timeout=30)
        api = requests.get(site + "/api/profiles", headers=by_tls, timeout=30)
        missing = requests.get(site + "/static/nothing.css", headers=by_tls, timeout=30)
        plain = requests.get(
            site + "/login?next=/x", headers={"Host": "band.example"}, timeout=30, allow_redirects=False
        )

        for answer in (page, api, missing):
            assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
        assert (plain.status_code, plain.headers["Location"]) == (301, "https://band.example/login?next=/x")
        (cookie,) = [cookie for cookie in page.cookies if cookie.name == "csrftoken"]
        assert cookie.secure

        form = {"username": "bob@example.org", "password": "secret", "csrfmiddlewaretoken": _token(page.text)}
        signed_in = requests.post(
            site + "/login",
            form,
            headers={**by_tls, "Origin": "https://band.example", "Cookie": f"csrftoken={cookie.value}"},
            timeout=30,
            allow_redirects=False,
        )
        assert signed_in.status_code == 302
        assert "Secure" in signed_in.headers["Set-Cookie"]
        assert "HttpOnly" in signed_in.headers["Set-Cookie"]
        assert signed_in.headers["Location"] == "/library"


def _token(page: str) -> str:
    return page.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
