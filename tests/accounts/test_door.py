"""/login and /logout: the door for those who have a password, and what it does to other ways of being signed in."""

import pytest
from django.core.cache import cache
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.utils import timezone

from accounts.models import Session
from accounts.throttle import SignInThrottle
from accounts.tokens import token_of_session
from tests.factories import make_user
from tests.google import use_google

pytestmark = pytest.mark.django_db


@pytest.fixture
def quick(settings):
    """Few tries."""
    settings.SIGN_IN_RATES = {"google": "3/minute", "password": "2/minute"}
    cache.clear()
    yield
    cache.clear()


def enter(client, user, **form: str):
    return client.post("/login", {"username": user.email, "password": "secret", **form})


def who(client) -> str | None:
    user = client.get("/auth/status").json()["user"]
    return user["email"] if user else None


def request_from(address: str) -> HttpRequest:
    return RequestFactory().post("/login", REMOTE_ADDR=address)


def with_token_of(client: Client, user) -> Client:
    """Have a browser hold a token, as after signing in with Google."""
    other = Client()
    other.force_login(user)
    session = other.session
    client.cookies["stemset_token"] = token_of_session(session, user)
    session.save()
    return client


class TestPage:
    def test_a_form_where_google_is_not_set_up(self, client, db):
        page = client.get("/login").content.decode()

        assert "Google" not in page
        assert "<details" not in page

    def test_google_first_where_it_is(self, client, google):
        page = client.get("/login?next=/library/demo-band").content.decode()

        assert 'href="/auth/login?next=/library/demo-band"' in page
        assert page.index("Sign in with Google") < page.index("<details>")

    @pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
    def test_it_leads_nowhere_else(self, client, google, wanted):
        page = client.get("/login", {"next": wanted}).content.decode()

        assert 'href="/auth/login"' in page

    def test_a_wrong_password_opens_the_form_again(self, client, google, alice):
        page = enter(client, alice, password="wrong").content.decode()

        assert "<details open>" in page
        assert "do not go together" in page

    @pytest.mark.parametrize("path", ["/auth/login", "/auth/callback"])
    def test_without_google_the_operator_is_told_what_to_set(self, client, db, path):
        answer = client.get(path)

        assert answer.status_code == 503
        page = answer.content.decode()
        assert "GOOGLE_CLIENT_ID" in page
        assert "GOOGLE_CLIENT_SECRET" in page
        assert "http://testserver/auth/callback" in page

    def test_the_address_to_register_is_the_configured_one(self, client, db, settings):
        settings.BACKEND_URL = "https://band.example"

        assert "https://band.example/auth/callback" in client.get("/auth/login").content.decode()

    @pytest.mark.parametrize(
        ("wanted", "place"),
        [("", "/library"), ("/account", "/account"), ("/login", "/library"), ("//evil.example", "/library")],
    )
    def test_who_is_in_already_is_let_through(self, client, bob, wanted, place):
        client.force_login(bob)

        assert client.get("/login", {"next": wanted})["Location"] == place


class TestPassword:
    def test_staff(self, client, alice):
        assert enter(client, alice)["Location"] == "/library"
        assert who(client) == alice.email

    def test_somebody_who_may_not_be_here_although_the_password_is_right(self, client, db):
        user = make_user("eve@example.org", is_invited=False)

        assert enter(client, user).status_code == 200
        assert who(client) is None
        assert not Session.objects.exists()

    @pytest.mark.parametrize("path", ["/login", "/admin/login/"])
    def test_the_token_of_whoever_was_here_ends(self, client, alice, bob, path):
        with_token_of(client, bob)
        token = client.cookies["stemset_token"].value
        assert who(client) == bob.email

        answer = client.post(path, {"username": alice.email, "password": "secret", "next": "/admin/"})

        assert answer.status_code == 302
        assert answer.cookies["stemset_token"].value == ""
        assert who(client) == alice.email
        assert Client().get("/auth/status", headers={"Authorization": f"Bearer {token}"}).json()["user"] is None

    def test_a_wrong_password_ends_nothing(self, client, alice, bob):
        with_token_of(client, bob)

        enter(client, alice, password="wrong")

        assert who(client) == bob.email

    @pytest.mark.parametrize("path", ["/logout", "/admin/logout/"])
    def test_leaving_ends_the_token_too(self, client, alice, path):
        client.force_login(alice)
        session = client.session
        token = token_of_session(session, alice)
        session.save()
        client.cookies["stemset_token"] = token

        answer = client.post(path)

        assert answer.cookies["stemset_token"].value == ""
        assert who(client) is None
        assert Client().get("/auth/status", headers={"Authorization": f"Bearer {token}"}).json()["user"] is None

    def test_a_new_session_begins(self, client, alice):
        client.get("/login")
        enter(client, alice)
        first = client.session.session_key
        client.post("/logout")
        enter(client, alice)

        assert client.session.session_key != first
        assert Session.objects.count() == 1

    @pytest.mark.parametrize("path", ["/login", "/admin/login/"])
    def test_it_lasts_a_month_even_where_a_sign_in_with_google_was_begun(self, client, google, alice, path):
        """What was begun there lasts half an hour, and a sign-in must not end with it."""
        assert client.get("/auth/login").status_code == 302

        answer = client.post(path, {"username": alice.email, "password": "secret", "next": "/admin/"})

        assert answer.status_code == 302
        session = Session.objects.get(user=alice)
        assert (session.expire_date - timezone.now()).days >= 29
        assert answer.cookies["sessionid"]["max-age"] == 30 * 24 * 60 * 60


class TestThrottle:
    @pytest.mark.parametrize("path", ["/login", "/admin/login/"])
    def test_passwords_are_not_guessed_for_long(self, client, alice, quick, path):
        form = {"username": alice.email, "password": "wrong"}
        assert [client.post(path, form).status_code for _ in range(3)] == [200, 200, 429]

        answer = enter(client, alice)  # the right one, and either door counts

        assert answer.status_code == 429
        assert 0 < int(answer["Retry-After"]) <= 60
        assert "Too many tries" in answer.content.decode()
        assert client.get("/login").status_code == 200

    def test_strangers_in_numbers_do_not_have_it_forgotten_who_came_too_often(self, client, alice, quick):
        for _ in range(3):
            enter(client, alice, password="wrong")

        for number in range(700):
            SignInThrottle("password").allow_request(request_from(f"198.51.100.{number}"), None)

        assert enter(client, alice).status_code == 429

    def test_addresses_do_not_stand_in_for_each_other(self, client, alice, quick):
        for _ in range(3):
            enter(client, alice, password="wrong")

        other = Client(REMOTE_ADDR="192.0.2.7")

        assert enter(other, alice).status_code == 302

    def test_what_a_stranger_writes_about_his_address_is_not_believed(self, client, alice, quick):
        answers = [
            client.post(
                "/login", {"username": alice.email, "password": "x"}, headers={"X-Forwarded-For": f"192.0.2.{number}"}
            ).status_code
            for number in range(3)
        ]

        assert answers == [200, 200, 429]

    def test_behind_a_proxy_its_word_is_the_last(self, alice, quick, settings):
        settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

        def from_address(forwarded: str) -> int:
            headers = {"X-Forwarded-For": forwarded, "X-Forwarded-Proto": "https"}
            form = {"username": alice.email, "password": "x"}
            return Client().post("/login", form, headers=headers).status_code

        assert [from_address(f"10.9.8.{number}, 192.0.2.1") for number in range(3)] == [200, 200, 429]
        assert from_address("192.0.2.1, 192.0.2.2") == 200

    @pytest.mark.parametrize("path", ["/auth/login", "/auth/callback?state=x&code=y"])
    def test_google_is_not_asked_for_ever(self, client, google, quick, path):
        codes = [client.get(path).status_code for _ in range(4)]

        assert codes[3] == 429
        assert 429 not in codes[:3]
        asked_by_program, asked_by_browser = client.get(path), client.get(path, headers={"Accept": "text/html,*/*"})
        assert "Try again in" in asked_by_program.json()["detail"]
        assert asked_by_browser["Content-Type"].startswith("text/html")
        assert asked_by_program["Retry-After"]
        assert asked_by_browser["Retry-After"]


def test_google_can_be_set_up_later(client, db, settings, google):
    use_google(settings, google)

    assert client.get("/auth/login").status_code == 302
