"""Sessions and their tokens: one leads to the other, and both end together."""

import dataclasses
import warnings
from datetime import timedelta
from uuid import uuid4

import jwt
import pytest
from django.contrib.auth import SESSION_KEY
from django.test import Client
from django.utils import timezone

from accounts.models import ApiToken, Session, User
from accounts.sessions import SessionStore, sign_out_everywhere
from accounts.tokens import session_token_id, token_of_session
from tests.factories import make_recording, write_files

SECRET = "a secret of at least thirty-two bytes, as it should be"


@pytest.fixture(autouse=True)
def jwt_secret(settings):
    settings.SIGN_IN = dataclasses.replace(settings.SIGN_IN, jwt_secret=SECRET)


@pytest.fixture
def token(client, bob) -> str:
    """Bob's, from a browser in which he signed in with a password."""
    client.force_login(bob)
    session = client.session
    token = token_of_session(session, bob)
    session.save()
    return token


def who(client, token: str | None = None, **headers: str) -> str | None:
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    user = client.get("/auth/status", headers=headers).json()["user"]
    return user["email"] if user else None


@pytest.fixture
def stranger() -> Client:
    """Another browser."""
    return Client()


def test_a_token_leads_to_its_person_wherever_it_is(stranger, token, bob):
    assert who(stranger, token) == bob.email
    stranger.cookies["stemset_token"] = token
    assert who(stranger) == bob.email


def test_bearer_is_a_word_however_it_is_capitalised(stranger, token, bob):
    assert who(stranger, Authorization=f"bearer {token}") == bob.email
    assert who(stranger, Authorization=f"Basic {token}") is None


def test_a_token_that_does_not_count_is_not_made_good_by_a_cookie(client, token, bob):
    assert who(client) == bob.email
    assert who(client, "garbage") is None


@pytest.mark.parametrize("nothing", ["Bearer", "bearer", "Bearer   "])
def test_nor_is_one_that_is_not_there(client, token, bob, demo_band, nothing):
    """The variable of a script was never set: it is answered as with any bad token, and not by somebody's cookies."""
    write_files(make_recording(demo_band, "x", duration=0.1))
    client.cookies["stemset_token"] = token
    pages = ["/api/profiles", "/api/recordings", "/auth/picture", "/media/demo-band/x/vocals.opus", "/library"]

    def answers(**headers: str) -> list[int]:
        got = [client.get(page, headers=headers) for page in pages]
        for answer in got:
            answer.getvalue()  # closes the file
        return [answer.status_code for answer in got]

    assert answers() == [200, 200, 200, 200, 200]
    assert answers(Authorization=nothing) == answers(Authorization="Bearer wrong") == [401, 401, 401, 404, 302]
    assert who(client, Authorization=nothing) is None
    assert client.post("/api/tokens", {"name": "x"}, headers={"Authorization": nothing}).status_code == 401
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": timezone.now() - timedelta(seconds=1)},
        {"exp": None},
        {"jti": None},
        {"sub": None},
        {"jti": str(uuid4())},
        {"jti": "not one"},
        {"jti": 7},
    ],
    ids=["expired", "for ever", "no id", "nobody's", "no session", "no id's form", "a number"],
)
def test_a_token_that_is_none_of_ours(stranger, token, claims):
    changed = jwt.decode(token, SECRET, ["HS256"]) | claims
    forged = jwt.encode({name: value for name, value in changed.items() if value is not None}, SECRET, "HS256")

    assert who(stranger, forged) is None


@pytest.mark.parametrize("algorithm", ["none", "HS256", "HS512"])
def test_a_token_of_another_secret_or_algorithm(stranger, token, algorithm):
    claims = jwt.decode(token, SECRET, ["HS256"])
    key = {"none": None, "HS256": "x" * 64, "HS512": SECRET.ljust(64, "\0")}[algorithm]

    assert who(stranger, jwt.encode(claims, key, algorithm)) is None


@pytest.mark.parametrize("short", ["x", "short"])
def test_a_short_secret_still_works_without_a_word_and_means_the_same_to_others(settings, stranger, client, bob, short):
    settings.SIGN_IN = dataclasses.replace(settings.SIGN_IN, jwt_secret=short)
    client.force_login(bob)
    session = client.session
    token = token_of_session(session, bob)
    session.save()

    assert who(stranger, token) == bob.email
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # another program is told that it is short
        assert jwt.decode(token, short, ["HS256"])["sub"] == str(bob.pk)


def test_a_token_dies_with_its_session(stranger, client, token):
    client.post("/logout")

    assert who(stranger, token) is None


def test_a_token_dies_with_the_session_in_time(stranger, token):
    Session.objects.update(expire_date=timezone.now())

    assert who(stranger, token) is None


def test_a_new_password_ends_sessions_and_tokens(stranger, client, token, bob):
    bob.set_password("another one")
    bob.save()

    assert who(stranger, token) is None
    assert who(client) is None


def test_changing_ones_own_password_keeps_this_browser_and_ends_its_token(stranger, client, token, alice):
    client.force_login(alice)
    session = client.session
    token = token_of_session(session, alice)
    session.save()
    form = {"old_password": "secret", "new_password1": "quite another 1", "new_password2": "quite another 1"}

    assert client.post("/admin/password_change/", form).status_code == 302

    assert who(client) == alice.email
    assert who(stranger, token) is None


def test_a_deleted_person_is_nobody(stranger, client, token, bob):
    User.objects.filter(pk=bob.pk).delete()

    assert who(stranger, token) is None
    assert who(client) is None
    assert not Session.objects.exists()


def test_one_statement_for_session_token_and_personal_token(client, stranger, token, bob, django_assert_num_queries):
    # What they may open comes along.
    with django_assert_num_queries(1):
        assert who(client) == bob.email
    with django_assert_num_queries(1):
        assert who(stranger, token) == bob.email
    with django_assert_num_queries(0):
        assert who(stranger) is None


def test_everywhere_means_everywhere_and_nobody_else(client, stranger, token, bob, charlie):
    stranger.force_login(charlie)

    assert sign_out_everywhere(bob) == 1

    assert who(client) is None
    assert who(stranger) == "charlie@example.org"


def test_rows_say_whose_they_are(bob):
    store = SessionStore()
    store[SESSION_KEY] = str(bob.pk)
    token_id = store.token_id()
    store.save()
    row = Session.objects.get()
    assert (row.user, str(row.token_id)) == (bob, token_id)

    store.cycle_key()

    assert Session.objects.get().token_id is None
    store.flush()
    assert not Session.objects.exists()
    assert store.person() is None


def test_expired_sessions_are_cleaned_up(client, token):
    from django.core.management import call_command

    Session.objects.update(expire_date=timezone.now() - timedelta(days=1))

    call_command("clearsessions")

    assert not Session.objects.exists()


def test_what_a_token_is_not():
    for nonsense in ("", "a.b.c", "stemset_x", "\0", "é" * 100, "." * 10_000):
        assert session_token_id(nonsense) is None


def test_what_lies_in_the_database_is_nobodys_cookie(client, stranger, bob):
    client.force_login(bob)
    row = Session.objects.get()

    for stolen in (row.session_key, str(row.token_id)):
        stranger.cookies["sessionid"] = stolen
        assert who(stranger) is None
        assert who(stranger, stolen) is None
    assert who(client) == bob.email
