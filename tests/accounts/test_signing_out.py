"""Signing out: this browser, all browsers, and never because another site wanted it."""

import dataclasses

import pytest

from accounts.models import ApiToken, Session, User
from accounts.tokens import make_personal_token
from tests.google import BOB, CHARLIE

pytestmark = pytest.mark.django_db(transaction=True)


def cookie(answer) -> dict[str, str]:
    """Return the parts of the contract's cookie in an answer."""
    lines = [line for line in answer.raw.headers.getlist("Set-Cookie") if line.startswith("stemset_token=")]
    (line,) = lines
    pairs = [part.strip().partition("=") for part in line.split(";")]
    return {name: value for name, _, value in pairs}


def test_the_token_is_dead_at_once_wherever_it_is(visitor):
    bob, elsewhere = visitor(), visitor()
    bob.sign_in(BOB)
    token = bob.token()

    answer = bob.ask("/auth/logout")

    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert bob.token() is None
    assert bob.who() is None
    assert elsewhere.ask("/auth/status", headers={"Authorization": f"Bearer {token}"}).json()["user"] is None
    assert not Session.objects.exists()


@pytest.mark.parametrize("frontend", ["", "https://client.example", "http://localhost:3000"])
def test_the_cookie_is_taken_as_it_was_given(visitor, settings, frontend):
    settings.FRONTEND_URL = frontend
    bob = visitor()

    given = cookie(bob.sign_in(BOB))
    taken = cookie(bob.ask("/auth/logout"))

    changing = {"stemset_token", "Max-Age", "expires"}
    assert {name: value for name, value in given.items() if name not in changing} == {
        name: value for name, value in taken.items() if name not in changing
    }
    assert given["Max-Age"] == "2592000"
    assert taken["Max-Age"] == "0"
    assert given["SameSite"] == ("None" if "client.example" in frontend else "Lax")
    assert ("Secure" in given) == ("client.example" in frontend)


def test_by_the_token_alone(visitor):
    bob, script = visitor(), visitor()
    bob.sign_in(BOB)

    script.ask("/auth/logout", headers={"Authorization": f"Bearer {bob.token()}"})

    assert bob.who() is None


def test_nobody_can_sign_out_as_well(visitor):
    assert visitor().ask("/auth/logout").json() == {"success": True}


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
        {"Origin": "null"},
    ],
    ids=str,
)
def test_not_because_another_site_wants_it(visitor, headers):
    bob = visitor()
    bob.sign_in(BOB)

    answer = bob.ask("/auth/logout", headers=headers)

    assert answer.status_code == 403
    assert set(answer.json()) == {"detail"}
    assert bob.who() == BOB.email


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "none"}, {"Sec-Fetch-Site": "same-origin"}, {}], ids=str)
def test_because_we_or_the_person_want_it(visitor, headers):
    bob = visitor()
    bob.sign_in(BOB)

    assert bob.ask("/auth/logout", headers=headers).status_code == 200
    assert bob.who() is None


def test_because_a_configured_client_elsewhere_wants_it(visitor, settings):
    settings.TRUSTED_ORIGINS = ["https://client.example"]
    bob = visitor()
    bob.sign_in(BOB)

    bob.ask("/auth/logout", headers={"Origin": "https://client.example", "Sec-Fetch-Site": "cross-site"})

    assert bob.who() is None


@pytest.mark.parametrize("path", ["/auth/login", "/auth/callback", "/auth/logout", "/auth/status", "/auth/picture"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_other_methods_are_refused_in_words(visitor, path, method):
    someone = visitor()

    answer = someone.ask(path, method, headers={"Origin": someone.origin})

    assert answer.status_code in (405, 401)  # who asks for a picture must be somebody first
    assert answer.json()["detail"]


@pytest.mark.parametrize("path", ["/auth/login", "/auth/callback"])
def test_looking_ahead_begins_nothing(visitor, path):
    assert visitor().ask(path, "HEAD").status_code == 405
    assert not Session.objects.exists()


class TestEverywhere:
    def test_all_browsers_and_their_tokens(self, visitor):
        here, there, by_token, other = visitor(), visitor(), visitor(), visitor()
        here.sign_in(BOB)
        there.sign_in(BOB)
        token = there.token()
        make_personal_token(User.objects.get(), "script")

        answer = here.ask("/auth/logout-everywhere", "POST", json={}, headers={"Origin": here.origin})

        assert (answer.status_code, answer.json()) == (200, {"success": True})
        assert here.token() is None
        assert here.who() is there.who() is None
        headers = {"Authorization": f"Bearer {token}"}
        assert by_token.ask("/auth/status", headers=headers).json()["user"] is None
        assert ApiToken.objects.count() == 1
        assert other.who() is None

    def test_with_the_personal_tokens(self, visitor):
        bob = visitor()
        bob.sign_in(BOB)
        make_personal_token(User.objects.get(), "script")

        bob.ask("/auth/logout-everywhere", "POST", json={"tokens": True}, headers={"Origin": bob.origin})

        assert not ApiToken.objects.exists()

    def test_not_because_another_site_wants_it(self, visitor):
        bob = visitor()
        bob.sign_in(BOB)

        answer = bob.ask("/auth/logout-everywhere", "POST", json={}, headers={"Origin": "https://evil.example"})

        assert answer.status_code == 403
        assert bob.who() == BOB.email

    def test_strangers_are_told_to_sign_in(self, visitor):
        someone = visitor()

        answer = someone.ask("/auth/logout-everywhere", "POST", json={}, headers={"Origin": someone.origin})

        assert answer.status_code == 401


def test_signing_in_as_somebody_else_replaces_the_first_completely(visitor, settings, google):
    settings.SIGN_IN = dataclasses.replace(settings.SIGN_IN, allowed_emails=frozenset({BOB.email, CHARLIE.email}))
    both, elsewhere = visitor(), visitor()
    both.sign_in(BOB)
    first_token, first_session = both.token(), both.http.cookies["sessionid"]

    both.sign_in(CHARLIE)

    assert both.who() == CHARLIE.email
    assert both.http.cookies["sessionid"] != first_session
    assert elsewhere.ask("/auth/status", headers={"Authorization": f"Bearer {first_token}"}).json()["user"] is None
    assert Session.objects.get().user.email == CHARLIE.email


def test_signing_in_again_as_oneself_begins_a_new_session(visitor):
    bob = visitor()
    bob.sign_in(BOB)
    first_session = bob.http.cookies["sessionid"]

    bob.sign_in(BOB)

    assert bob.http.cookies["sessionid"] != first_session
    assert Session.objects.count() == 1


def test_a_session_prepared_by_somebody_else_is_not_the_one_that_is_signed_in(visitor):
    thief, bob = visitor(), visitor()
    thief.begin()
    prepared = thief.http.cookies["sessionid"]
    bob.http.cookies.set("sessionid", prepared, domain="localhost.local", path="/")
    back = bob.at_google(bob.begin(), BOB.email)
    assert bob.http.cookies["sessionid"] == prepared  # it was taken up

    bob.ask(back)

    assert bob.who() == BOB.email
    assert bob.http.cookies["sessionid"] != prepared
    assert thief.who() is None
