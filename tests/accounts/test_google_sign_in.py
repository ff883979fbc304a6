"""Signing in with Google over HTTP: who comes in, what they are given, and that nobody else does."""

import dataclasses
import time
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from django.conf import settings as django_settings
from social_django.models import UserSocialAuth

from accounts.models import Picture, Session, User, UserProfile
from catalog.models import Profile
from tests.factories import make_profile, make_user
from tests.google import BOB, CHARLIE, Account, Knobs, picture

pytestmark = pytest.mark.django_db(transaction=True)


def refused(answer, *words: str, status: int = 401) -> None:
    """A page for people, no cookie, and no more people than before."""
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "stemset_token" not in answer.headers.get("Set-Cookie", "")
    for word in words:
        assert word in answer.text


# What Google may send back instead of a code, and how that is answered.
ERRORS = {
    "access_denied": 401,
    "server_error": 502,
    "temporarily_unavailable": 502,
    "unauthorized_client": 502,
    "x": 502,
}


def came_back(somebody, error: str, began=None, **more: str):
    """Return the answer to somebody whom Google sends back with an error."""
    began = began or somebody.begin()
    (state,) = parse_qs(urlsplit(began.headers["Location"]).query)["state"]
    return somebody.ask("/auth/callback", params={"error": error, "state": state, **more})


def nothing_was_made() -> bool:
    return not (User.objects.exists() or UserSocialAuth.objects.exists() or UserProfile.objects.exists())


class TestComingIn:
    def test_the_whole_way(self, visitor, google):
        bob = visitor()
        before = time.time()

        began = bob.begin()
        assert began.status_code == 302
        asked = parse_qs(urlsplit(began.headers["Location"]).query)
        assert began.headers["Location"].startswith(f"{google.url}/authorize?")
        assert asked["scope"] == ["openid email profile"]
        assert asked["code_challenge_method"] == ["S256"]
        assert asked["redirect_uri"] == [f"{bob.origin}/auth/callback"]
        assert "no-store" in began.headers["Cache-Control"]

        answer = bob.ask(bob.at_google(began, "bob@example.org"))

        assert answer.status_code == 302
        place, _, token = answer.headers["Location"].partition("#token=")
        assert place == "/"
        assert token == bob.token()
        claims = jwt.decode(token, django_settings.SIGN_IN.jwt_secret, ["HS256"])
        user = User.objects.get()
        assert claims["sub"] == str(user.pk)
        assert claims["exp"] - claims["iat"] == 30 * 24 * 60 * 60
        assert (user.email, user.name, user.picture_url) == ("bob@example.org", "Bob", f"{google.url}/picture.png")
        assert user.last_login.timestamp() >= before
        assert not user.has_usable_password()
        assert bob.status() == {
            "authenticated": True,
            "user": {"id": str(user.pk), "name": "Bob", "email": "bob@example.org", "picture": "/auth/picture"},
            "profiles": [],
        }

    def test_the_cookie_as_the_contract_has_it(self, visitor):
        answer = visitor().sign_in(BOB)

        (cookie,) = [line for line in set_cookies(answer) if line.startswith("stemset_token=")]
        parts = {part.strip() for part in cookie.split(";")[1:]}
        assert {"HttpOnly", "Path=/", "Max-Age=2592000", "SameSite=Lax"} <= parts
        assert "Secure" not in parts

    def test_the_token_alone_is_enough_and_so_is_the_session_alone(self, visitor):
        bob, by_token, by_session = visitor(), visitor(), visitor()
        bob.sign_in(BOB)

        answer = by_token.ask("/auth/status", headers={"Authorization": f"Bearer {bob.token()}"})
        by_session.http.cookies.set("sessionid", bob.http.cookies["sessionid"])

        assert answer.json()["user"]["email"] == "bob@example.org"
        assert by_session.who() == "bob@example.org"

    def test_a_page_that_was_wanted(self, visitor):
        answer = visitor().sign_in(BOB, "/library/demo-band?q=harbour")

        assert answer.headers["Location"] == "/library/demo-band?q=harbour"
        assert "stemset_token=" in answer.headers["Set-Cookie"]

    @pytest.mark.parametrize(
        "wanted",
        [
            "https://evil.example/",
            "//evil.example/",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "javascript:alert(1)",
            "library",
            "/auth/logout",
            "/api/profiles",
        ],
    )
    def test_a_page_that_is_none_of_ours(self, visitor, wanted):
        answer = visitor().sign_in(BOB, wanted)

        assert answer.headers["Location"].startswith("/#token=")

    def test_a_page_wanted_in_an_attempt_given_up_is_forgotten(self, visitor):
        bob = visitor()
        bob.begin("/library/demo-band")

        assert bob.sign_in(BOB).headers["Location"].startswith("/#token=")

    def test_a_client_elsewhere(self, visitor, settings):
        settings.FRONTEND_URL = "https://client.example/app"

        answer = visitor().sign_in(BOB)

        assert answer.headers["Location"].startswith("https://client.example/app#token=")
        assert "Secure" in answer.headers["Set-Cookie"]
        assert "SameSite=None" in answer.headers["Set-Cookie"]

    def test_again_a_month_later(self, visitor, google):
        visitor().sign_in(BOB)
        first = User.objects.get()
        google.accounts[0] = dataclasses.replace(BOB, name="Robert", picture="/new.png")

        visitor().sign_in(google.accounts[0])

        user = User.objects.get()
        assert user.pk == first.pk
        assert (user.name, user.picture_url) == ("Robert", f"{google.url}/new.png")
        assert user.last_login > first.last_login
        assert UserSocialAuth.objects.get().uid == "1001"

    def test_name_and_picture_may_have_to_be_asked_for(self, visitor, google):
        visitor().sign_in(BOB)
        assert google.userinfo_requests == 0
        google.knobs.about_in_userinfo_only = True
        User.objects.update(name="", picture_url="")

        visitor().sign_in(BOB)

        assert google.userinfo_requests == 1
        assert User.objects.get().name == "Bob"

    def test_somebody_without_name_or_picture(self, visitor, google):
        google.accounts[0] = dataclasses.replace(BOB, name="", picture="")

        assert visitor().sign_in(BOB).status_code == 302
        assert str(User.objects.get()) == "bob@example.org"

    def test_facts_that_the_database_would_not_take(self, visitor, google):
        google.accounts[0] = dataclasses.replace(
            BOB, name="B\0o\nb" + "x" * 400, picture="https://lh3.googleusercontent.com/" + "x" * 600
        )

        assert visitor().sign_in(BOB).status_code == 302
        user = User.objects.get()
        assert user.name == "Bob" + "x" * 197
        assert user.picture_url == ""

    def test_nothing_of_googles_is_kept_but_the_name_of_the_account(self, visitor):
        visitor().sign_in(BOB)

        assert UserSocialAuth.objects.get().extra_data == {}

    def test_google_may_leave_out_the_scheme_of_its_name(self, visitor, google, monkeypatch):
        real = google.discovery
        monkeypatch.setattr(google, "discovery", lambda: {**real(), "issuer": "https://accounts.google.com"})
        google.knobs.claims = {"iss": "accounts.google.com"}

        assert visitor().sign_in(BOB).status_code == 302


class TestWhoIsWho:
    def test_a_person_is_the_account_not_the_address(self, visitor, google):
        visitor().sign_in(BOB)
        google.accounts[0] = dataclasses.replace(BOB, email="bob@new.example")
        User.objects.update(is_invited=True)

        visitor().sign_in(google.accounts[0])

        user = User.objects.get()
        assert user.email == "bob@new.example"

    def test_an_address_that_somebody_else_has_is_not_taken_over(self, visitor, google):
        visitor().sign_in(BOB)
        make_user("new@example.org")
        google.accounts[0] = dataclasses.replace(BOB, email="new@example.org")

        bob = visitor()
        bob.sign_in(google.accounts[0])

        assert bob.who() == "bob@example.org"
        assert User.objects.count() == 2

    def test_a_recycled_address_does_not_open_the_account(self, visitor, google):
        visitor().sign_in(BOB)
        google.accounts.append(Account("2002", "bob@example.org", "Another Bob"))
        stranger = visitor()

        began = stranger.begin()
        google.accounts = google.accounts[1:]
        answer = stranger.ask(stranger.at_google(began, "bob@example.org"))

        refused(answer, "belongs to somebody else here", "bob@example.org")
        assert stranger.who() is None
        assert User.objects.get().name == "Bob"

    def test_an_address_out_of_the_list_after_a_change_at_google(self, visitor, google):
        visitor().sign_in(BOB)
        google.accounts[0] = dataclasses.replace(BOB, email="bob@new.example", name="New")

        refused(visitor().sign_in(google.accounts[0]), "bob@new.example")

        user = User.objects.get()
        assert (user.email, user.name) == ("bob@example.org", "Bob")

    def test_the_first_superuser_comes_back_with_google(self, visitor, settings):
        root = User.objects.create_superuser("charlie@example.org", "a password")
        charlie = visitor()

        charlie.sign_in(CHARLIE)

        assert charlie.status()["user"]["id"] == str(root.pk)
        root.refresh_from_db()
        assert root.is_superuser
        assert root.check_password("a password")
        assert root.name == "Charlie"

    def test_who_was_invited_comes_in_however_the_address_is_capitalised(self, visitor, google):
        invited = make_user("charlie@example.org")
        google.accounts[1] = dataclasses.replace(CHARLIE, email="Charlie@Example.ORG")
        charlie = visitor()

        charlie.sign_in(google.accounts[1])

        assert charlie.status()["user"]["id"] == str(invited.pk)


class TestNotAllowed:
    def test_somebody_whom_nobody_invited(self, visitor):
        charlie = visitor()

        refused(charlie.sign_in(CHARLIE), "charlie@example.org", "invite", 'href="/auth/login"')

        assert charlie.who() is None
        assert nothing_was_made()
        assert not Picture.objects.exists()

    def test_an_account_that_is_switched_off(self, visitor):
        dora = make_user("bob@example.org", is_active=False)

        refused(visitor().sign_in(BOB), "switched off", "bob@example.org")

        dora.refresh_from_db()
        assert dora.last_login is None
        assert not UserSocialAuth.objects.exists()

    def test_an_account_that_is_there_but_no_longer_invited(self, visitor):
        make_user("charlie@example.org", is_invited=False)

        refused(visitor().sign_in(CHARLIE), "charlie@example.org")

        assert not UserSocialAuth.objects.exists()

    @pytest.mark.parametrize("verified", [False, None, "true", 1])
    def test_an_address_that_was_not_verified(self, visitor, google, verified):
        google.accounts[0] = dataclasses.replace(BOB, email_verified=verified)

        refused(visitor().sign_in(google.accounts[0]), "never verified", "bob@example.org")

        assert nothing_was_made()

    @pytest.mark.parametrize("email", ["", None, "nobody", 7, "x" * 250 + "@example.org"])
    def test_an_address_that_is_none(self, visitor, google, email):
        google.knobs.claims = {"email": email}
        make_user("nobody@example.org", is_invited=False)

        refused(visitor().sign_in(BOB))

        assert not UserSocialAuth.objects.exists()

    def test_an_address_is_shown_as_text(self, visitor, google):
        google.accounts[1] = dataclasses.replace(CHARLIE, email='"<script>alert(1)</script>"@example.org')

        answer = visitor().sign_in(google.accounts[1])

        refused(answer, "&lt;script&gt;")
        assert "<script>" not in answer.text

    def test_who_was_here_before_stays_and_is_told_so(self, visitor):
        bob = visitor()
        bob.sign_in(BOB)

        refused(bob.sign_in(CHARLIE), "still signed in as Bob")

        assert bob.who() == "bob@example.org"


class TestStateIsOfOneBrowserAndOnce:
    def test_cancelled(self, visitor):
        bob = visitor()

        refused(bob.cancel(), "You stopped at Google")

        assert bob.who() is None

    def test_what_google_says_of_an_error_is_not_shown(self, visitor):
        answer = came_back(visitor(), "access_denied", error_description="Call 0900 12345")

        refused(answer, "You stopped at Google")
        assert "0900" not in answer.text

    @pytest.mark.parametrize(
        "query",
        ["", "?code=x", "?state=x", "?state=x&code=y", "?denied=1"]
        + [f"?error={error}{state}" for error in ERRORS for state in ("", "&state=x")],
    )
    def test_out_of_nowhere(self, visitor, google, query, caplog):
        """Anybody can write any of these into a link, and nobody here has begun to sign in."""
        answer = visitor().ask(f"/auth/callback{query}")

        refused(answer, "has run out")
        assert google.token_requests == []
        assert "Traceback" not in caplog.text

    @pytest.mark.parametrize(("error", "status"), ERRORS.items())
    def test_an_error_of_googles_is_told_in_words(self, visitor, google, error, status, caplog):
        bob = visitor()

        answer = came_back(bob, error, error_description="two\nlines")

        refused(answer, "ry again" if error != "unauthorized_client" else "does not know this site", status=status)
        assert google.token_requests == []
        assert "Traceback" not in caplog.text
        (line,) = [record.getMessage() for record in caplog.records if "Google failed" in record.getMessage()]
        assert error in line
        assert "\n" not in line
        assert bob.sign_in(BOB).status_code == 302

    def test_an_error_uses_the_state_up(self, visitor):
        bob = visitor()
        began = bob.begin()
        came_back(bob, "server_error", began)

        refused(came_back(bob, "server_error", began), "has run out")

    def test_in_another_browser(self, visitor, google):
        bob, thief = visitor(), visitor()
        back = bob.at_google(bob.begin(), "bob@example.org")

        thief.begin()  # has a session and a state of their own
        refused(thief.ask(back), "has run out")

        assert google.token_requests == []
        assert bob.ask(back).status_code == 302

    def test_twice(self, visitor, google):
        bob = visitor()
        back = bob.at_google(bob.begin(), "bob@example.org")
        bob.ask(back)

        refused(bob.ask(back), "has run out", "still signed in")

        assert len(google.token_requests) == 1
        assert bob.who() == "bob@example.org"

    def test_after_half_an_hour(self, visitor, monkeypatch):
        bob = visitor()
        back = bob.at_google(bob.begin(), "bob@example.org")
        later = time.time() + 31 * 60
        monkeypatch.setattr("social_core.backends.oauth._time", lambda: later)

        refused(bob.ask(back), "has run out")

    def test_a_code_that_google_does_not_know(self, visitor, google):
        bob = visitor()
        back = bob.at_google(bob.begin(), "bob@example.org")
        google.codes.clear()

        refused(bob.ask(back), "has run out")

    def test_an_attempt_given_up_leaves_no_session_for_a_month(self, visitor):
        visitor().begin()

        session = Session.objects.get()
        assert (session.expire_date - session.created_at).total_seconds() <= 31 * 60
        assert session.user is None

    def test_two_tabs(self, visitor):
        bob = visitor()
        first, second = bob.begin(), bob.begin()

        assert bob.ask(bob.at_google(first, "bob@example.org")).status_code == 302
        refused(bob.ask(bob.at_google(second, "bob@example.org")), "still signed in as Bob")


class TestGoogleMisbehaves:
    @pytest.mark.parametrize(
        "knobs",
        [
            Knobs(claims={"nonce": "another"}),
            Knobs(claims={"nonce": None}),
            Knobs(claims={"aud": "another-site"}),
            Knobs(claims={"aud": None}),
            Knobs(claims={"aud": ["x", "y"]}),
            Knobs(claims={"azp": "another-site"}),
            Knobs(claims={"iss": "https://evil.example"}),
            Knobs(claims={"iss": None}),
            Knobs(claims={"sub": None}),
            Knobs(claims={"sub": 7}),
            Knobs(claims={"exp": 1_600_000_000}),
            Knobs(claims={"exp": None}),
            Knobs(claims={"iat": 1_600_000_000}),
            Knobs(claims={"iat": "yesterday"}),
            Knobs(claims={"at_hash": "another"}),
            Knobs(sign_with_another_key=True),
            Knobs(about_in_userinfo_only=True, userinfo_sub="9999"),
        ],
        ids=str,
    )
    def test_an_answer_that_does_not_hold(self, visitor, google, knobs):
        google.knobs = knobs
        bob = visitor()

        refused(bob.sign_in(BOB), "did not hold")

        assert bob.who() is None
        assert nothing_was_made()

    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            b"<html>",
            b"[]",
            b"null",
            b'{"access_token": 7}',
            b'{"access_token": "a", "id_token": "garbage"}',
            b'{"access_token": "a", "id_token": "a.b.c"}',
            b'{"access_token": "a"}',
            b"\xff\xfe",
        ],
    )
    def test_garbage(self, visitor, google, answer):
        google.knobs.token_answer = answer
        bob = visitor()

        got = bob.sign_in(BOB)

        refused(got, status=got.status_code)
        assert got.status_code in (401, 502)
        assert nothing_was_made()

    @pytest.mark.parametrize("status", [400, 403, 429, 500, 503])
    def test_an_error(self, visitor, google, status):
        google.knobs.token_status = status

        refused(visitor().sign_in(BOB), "does not answer", status=502)

        assert nothing_was_made()

    def test_too_slow(self, visitor, google, settings):
        settings.SOCIAL_AUTH_REQUESTS_TIMEOUT = 0.2
        google.knobs.slow_seconds = 1

        refused(visitor().sign_in(BOB), "does not answer", status=502)

        assert nothing_was_made()

    def test_not_there_at_the_beginning(self, visitor, google):
        google.knobs.discovery_status = 500
        bob = visitor()

        refused(bob.begin(), "does not answer", status=502)

        google.knobs.discovery_status = 200
        assert bob.sign_in(BOB).status_code == 302

    def test_a_secret_that_google_does_not_take(self, visitor, google):
        google.client_secret = "changed at Google"

        refused(visitor().sign_in(BOB), "does not know this site", status=502)


class TestFirstLogin:
    @pytest.fixture
    def open_demo(self, google, settings, band):
        settings.SIGN_IN = dataclasses.replace(
            settings.SIGN_IN, first_login_profiles=("band",), allowed_emails=frozenset({"bob@example.org"})
        )

    def test_newcomers_are_joined_once(self, visitor, open_demo):
        bob = visitor()
        bob.sign_in(BOB)
        assert bob.status()["profiles"] == ["band"]
        assert UserProfile.objects.get().role == "member"

        UserProfile.objects.all().delete()  # staff take it away
        bob.sign_in(BOB)

        assert bob.status()["profiles"] == []

    def test_who_was_invited_and_given_nothing_is_joined_too(self, visitor, open_demo):
        make_user("charlie@example.org")
        charlie = visitor()
        charlie.sign_in(CHARLIE)

        assert charlie.status()["profiles"] == ["band"]

    def test_who_was_given_something_has_just_that(self, visitor, open_demo):
        make_user("charlie@example.org", profiles=[make_profile("other-band")])
        charlie = visitor()
        charlie.sign_in(CHARLIE)

        assert charlie.status()["profiles"] == ["other-band"]

    def test_whom_a_leader_invited_gets_nothing_else_even_when_taken_out_again(self, visitor, open_demo):
        leader = make_user("leader@example.org")
        make_user("charlie@example.org", invited_by=leader)
        charlie = visitor()
        charlie.sign_in(CHARLIE)

        assert charlie.status()["profiles"] == []

    def test_the_profile_is_made_if_need_be(self, visitor, open_demo):
        assert not Profile.objects.exists()

        visitor().sign_in(BOB)

        assert Profile.objects.get().name == "band"


class TestPicture:
    def test_served_from_here_as_a_small_square(self, visitor):
        bob = visitor()
        bob.sign_in(BOB)

        answer = bob.ask("/auth/picture")

        assert answer.headers["Content-Type"] == "image/png"
        assert answer.content[:4] == b"\x89PNG"
        assert answer.content[16:24] == (192).to_bytes(4) * 2
        assert answer.headers["Cache-Control"] == "private, no-cache"
        again = bob.ask("/auth/picture", headers={"If-None-Match": answer.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")

    @pytest.mark.parametrize(
        "knobs",
        [
            Knobs(picture=b"<svg/>"),
            Knobs(picture=b"\x89PNG\r\n\x1a\n garbage"),
            Knobs(picture=picture()[:100]),
            Knobs(picture=b"x" * (3 * 1024 * 1024)),
            Knobs(picture=picture(size=(5000, 5000))),
            Knobs(picture_redirects_to="http://127.0.0.1:9/secret"),
        ],
        ids=["svg", "garbage", "cut off", "too many bytes", "too many pixels", "redirect"],
    )
    def test_one_that_cannot_be_had_stops_nobody(self, visitor, google, knobs):
        google.knobs = knobs
        bob = visitor()

        assert bob.sign_in(BOB).status_code == 302

        assert not Picture.objects.exists()
        answer = bob.ask("/auth/picture")
        assert answer.headers["Content-Type"] == "image/svg+xml"
        assert ">B</text>" in answer.text

    def test_one_that_cannot_be_had_leaves_the_one_before(self, visitor, google):
        bob = visitor()
        bob.sign_in(BOB)
        google.knobs.picture = b"garbage"

        bob.sign_in(BOB)

        assert bob.ask("/auth/picture").headers["Content-Type"] == "image/png"

    def test_none_for_strangers(self, visitor):
        answer = visitor().ask("/auth/picture")

        assert answer.status_code == 401
        assert set(answer.json()) == {"detail"}


def set_cookies(answer) -> list[str]:
    """Return the Set-Cookie headers one by one."""
    return answer.raw.headers.getlist("Set-Cookie")
