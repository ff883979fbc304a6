"""Signing in at the shipped web server, configured by the environment and config.yaml alone."""

from contextlib import ExitStack
from urllib.parse import parse_qs, urlsplit

import pytest

from accounts.models import User
from tests.accounts.visitor import Visitor
from tests.google import BOB, CHARLIE, GoogleStandIn, google_environment
from tests.server import served

pytestmark = pytest.mark.django_db(transaction=True)

CONFIG = """
auth:
  allowed_emails: [Bob@Example.org]
  google_client_id: ${GOOGLE_CLIENT_ID}
  google_client_secret: ${GOOGLE_CLIENT_SECRET}
  first_login_profiles: [band]
strategies:
  s: {_: "dsp:4stems", vocals: vocals}
profiles:
  - {name: band, source_folder: in, strategy: s}
"""


@pytest.fixture
def google():
    with GoogleStandIn() as stand_in:
        yield stand_in


@pytest.fixture
def serve(google, tmp_path):
    """Start a server; it is stopped at the end of the test."""
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    with ExitStack() as stack:

        def serve(**variables: str) -> str:
            environment = google_environment(google) | {"DEBUG": "true", "WEB_CONCURRENCY": "2"} | variables
            return stack.enter_context(served(config=config, **environment))

        yield serve


def test_from_the_list_in_config_yaml_to_the_profile_for_newcomers(serve, google):
    bob, charlie = (Visitor(serve(), google) for _ in range(2))
    with bob.http, charlie.http:
        assert bob.sign_in(BOB, "/library").headers["Location"] == "/library"
        assert bob.status()["profiles"] == ["band"]
        assert bob.ask("/auth/picture").headers["Content-Type"] == "image/png"

        answer = charlie.sign_in(CHARLIE)
        assert answer.status_code == 401
        assert "charlie@example.org" in answer.text

        bob.ask("/auth/logout")
        assert bob.who() is None
    assert User.objects.count() == 1


def test_begun_at_one_server_and_ended_at_another(serve, google):
    """What is remembered meanwhile lies in the database, not in a process."""
    here, there = (serve(BACKEND_URL="https://band.example", WEB_CONCURRENCY="1") for _ in range(2))
    bob = Visitor(here, google)
    with bob.http:
        began = bob.begin()
        bob.origin = there
        answer = bob.ask(bob.at_google(began, BOB.email))

        assert answer.status_code == 302
        token = answer.headers["Location"].partition("#token=")[2]
        for server in (here, there):
            bob.origin = server
            status = bob.ask("/auth/status", headers={"Authorization": f"Bearer {token}"}).json()
            assert status["user"]["email"] == BOB.email
    assert google.authorizations[0]["redirect_uri"] == "https://band.example/auth/callback"


def test_behind_a_proxy_that_ends_tls(serve, google):
    google.redirect_uris = {"https://band.example/auth/callback"}
    bob = Visitor(serve(STEMSET_HTTPS="true", ALLOWED_HOSTS="band.example"), google)
    with bob.http:
        bob.http.headers.update({"Host": "band.example", "X-Forwarded-Proto": "https"})

        began = bob.begin()
        asked = parse_qs(urlsplit(began.headers["Location"]).query)
        assert asked["redirect_uri"] == ["https://band.example/auth/callback"]
        # The browser's connection to the proxy is a safe one; ours is not, so that we send these cookies by hand.
        session = bob.http.cookies["sessionid"]
        answer = bob.ask(bob.at_google(began, BOB.email), headers={"Cookie": f"sessionid={session}"})

        assert answer.status_code == 302
        given = answer.raw.headers.getlist("Set-Cookie")
        assert {line.partition("=")[0] for line in given} >= {"sessionid", "stemset_token"}
        for line in given:
            assert "; Secure" in line
            assert "SameSite=Lax" in line
        by_cookie = {"Cookie": f"stemset_token={bob.token()}"}
        assert bob.ask("/auth/status", headers=by_cookie).json()["user"]["email"] == BOB.email
        assert "Secure" in bob.ask("/auth/logout", headers=by_cookie).headers["Set-Cookie"]
        assert bob.ask("/auth/status", headers=by_cookie).json()["user"] is None


def test_too_many_tries(serve, google):
    stranger = Visitor(serve(WEB_CONCURRENCY="1"), google)
    with stranger.http:
        codes = [stranger.ask("/auth/callback?error=access_denied").status_code for _ in range(31)]
        answer = stranger.ask("/auth/callback?error=access_denied", headers={"Accept": "text/html"})

    assert codes == [401] * 30 + [429]
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert "Too many tries" in answer.text
