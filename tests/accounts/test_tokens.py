"""Personal tokens for scripts: shown once, kept as a hash, good for the API and for nothing else."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import ApiToken
from accounts.tokens import MOST_TOKENS, TooManyTokens, make_personal_token


@pytest.fixture
def as_bob(client, bob):
    client.force_login(bob)
    return client


@pytest.fixture
def script():
    """A program that has no cookies."""
    return Client()


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def make(client, **body):
    return client.post("/api/tokens", body, content_type="application/json", headers={"Origin": "http://testserver"})


class TestMaking:
    def test_shown_once_and_kept_as_a_hash(self, as_bob, bob):
        answer = make(as_bob, name="backup")

        assert answer.status_code == 201
        made = answer.json()
        assert set(made) == {"id", "name", "created_at", "expires_at", "last_used_at", "token"}
        assert made["token"].startswith("stemset_")
        assert len(made["token"]) > 50
        row = ApiToken.objects.get()
        assert row.user == bob
        assert made["token"] not in str(vars(row))
        assert "no-store" in answer["Cache-Control"]
        (listed,) = as_bob.get("/api/tokens").json()
        assert listed == {name: value for name, value in made.items() if name != "token"}

    def test_with_an_end(self, as_bob):
        end = timezone.now() + timedelta(days=1)

        assert make(as_bob, name="x", expires_at=end.isoformat()).status_code == 201
        assert ApiToken.objects.get().expires_at == end

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "name"),
            ({"name": ""}, "name"),
            ({"name": "x" * 101}, "name"),
            ({"name": "x\0"}, "name"),
            ({"name": "x", "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
            ({"name": "x", "expires_at": "tomorrow"}, "expires_at"),
        ],
    )
    def test_mistakes_are_named(self, as_bob, body, field):
        answer = make(as_bob, **body)

        assert answer.status_code == 400
        assert set(answer.json()["errors"]) == {field}
        assert field in answer.json()["detail"]
        assert not ApiToken.objects.exists()

    def test_not_without_end(self, as_bob, bob):
        for number in range(MOST_TOKENS):
            make_personal_token(bob, str(number))

        answer = make(as_bob, name="one too many")

        assert answer.status_code == 409
        assert str(MOST_TOKENS) in answer.json()["detail"]

    def test_not_because_another_site_wants_it(self, bob):
        client = Client(enforce_csrf_checks=True)
        client.force_login(bob)

        answer = client.post(
            "/api/tokens",
            {"name": "x"},
            content_type="application/json",
            headers={"Origin": "https://evil.example"},
        )

        assert answer.status_code == 403
        assert not ApiToken.objects.exists()

    @pytest.mark.parametrize(("method", "path"), [("get", ""), ("post", ""), ("delete", "/{}")])
    def test_strangers_are_told_to_sign_in(self, client, bob, method, path):
        token, _secret = make_personal_token(bob, "x")

        answer = getattr(client, method)(f"/api/tokens{path}".format(token.pk), headers={"Origin": "http://testserver"})

        assert answer.status_code == 401
        assert answer["WWW-Authenticate"] == "Bearer"
        assert set(answer.json()) == {"detail"}


@pytest.mark.django_db(transaction=True)
def test_many_at_once_are_not_more_than_anybody_may_have(bob):
    for number in range(MOST_TOKENS - 1):
        make_personal_token(bob, str(number))
    start = threading.Barrier(12)

    def make(number: int) -> bool:
        try:
            start.wait()
            make_personal_token(bob, f"at once {number}")
        except TooManyTokens:
            return False
        else:
            return True
        finally:
            connection.close()

    with ThreadPoolExecutor(12) as pool:
        made = list(pool.map(make, range(12)))

    assert made.count(True) == 1
    assert bob.api_tokens.count() == MOST_TOKENS


class TestUsing:
    def test_a_script_speaks_for_its_person(self, script, bob):
        _row, secret = make_personal_token(bob, "x")

        assert script.get("/auth/status", headers=bearer(secret)).json()["user"]["email"] == bob.email
        assert script.get("/api/profiles", headers=bearer(secret)).status_code == 200

    def test_and_needs_no_origin_for_changes(self, script, alice, demo_band):
        _row, secret = make_personal_token(alice, "x")

        answer = script.post(
            "/api/profiles/demo-band/members",
            {"email": "new@example.org"},
            content_type="application/json",
            headers=bearer(secret),
        )

        assert answer.status_code == 201

    def test_when_it_was_last_used_is_noted_but_not_at_every_request(
        self, script, bob, monkeypatch, django_assert_num_queries
    ):
        row, secret = make_personal_token(bob, "x")
        before = timezone.now() - timedelta(seconds=1)
        with django_assert_num_queries(2):  # the token with its person and what they may open, the note
            script.get("/auth/status", headers=bearer(secret))
        row.refresh_from_db()
        first = row.last_used_at
        assert first > before

        with django_assert_num_queries(1):
            script.get("/auth/status", headers=bearer(secret))
        row.refresh_from_db()
        assert row.last_used_at == first

        ApiToken.objects.update(last_used_at=first - timedelta(minutes=6))
        script.get("/auth/status", headers=bearer(secret))
        row.refresh_from_db()
        assert row.last_used_at > first - timedelta(minutes=1)

    def test_not_after_its_end(self, script, bob):
        _row, secret = make_personal_token(bob, "x", timezone.now() - timedelta(seconds=1))

        assert script.get("/api/profiles", headers=bearer(secret)).status_code == 401

    def test_not_when_its_person_is_out(self, script, bob):
        _row, secret = make_personal_token(bob, "x")
        bob.is_active = False
        bob.save()

        assert script.get("/api/profiles", headers=bearer(secret)).status_code == 401

    @pytest.mark.parametrize("secret", ["stemset_", "stemset_wrong", "stemset_" + "é" * 40, "stemset_\x7f"])
    def test_not_a_wrong_one(self, script, bob, secret):
        make_personal_token(bob, "x")

        assert script.get("/api/profiles", headers=bearer(secret)).status_code == 401

    def test_a_hash_from_the_database_is_none(self, script, bob):
        row, _secret = make_personal_token(bob, "x")

        assert script.get("/api/profiles", headers=bearer(f"stemset_{row.secret_sha256}")).status_code == 401

    @pytest.mark.parametrize("path", ["/admin/", "/library", "/account"])
    def test_not_for_pages_and_the_admin(self, script, alice, path):
        _row, secret = make_personal_token(alice, "x")

        assert script.get(path, headers=bearer(secret)).status_code == 302

    def test_for_media(self, script, bob):
        _row, secret = make_personal_token(bob, "x")

        # Who is nobody is sent to the door; bob is told that there is no such file.
        assert script.get("/media/demo-band/none/none.opus", headers=bearer(secret)).status_code == 404

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("get", "/api/tokens"),
            ("post", "/api/tokens"),
            ("delete", "/api/tokens/{}"),
            ("post", "/auth/logout-everywhere"),
        ],
    )
    def test_it_makes_and_ends_no_others(self, script, bob, method, path):
        row, secret = make_personal_token(bob, "x")

        answer = getattr(script, method)(
            path.format(row.pk), {"name": "y"}, content_type="application/json", headers=bearer(secret)
        )

        assert answer.status_code == 403
        assert "personal token" in answer.json()["detail"]
        assert ApiToken.objects.count() == 1

    def test_a_cookie_does_not_help_it(self, as_bob, bob):
        _row, secret = make_personal_token(bob, "x")

        assert as_bob.get("/api/tokens", headers=bearer(secret)).status_code == 403


class TestRevoking:
    def test_it_is_dead_at_once(self, as_bob, script, bob):
        row, secret = make_personal_token(bob, "x")

        answer = as_bob.delete(f"/api/tokens/{row.pk}", headers={"Origin": "http://testserver"})

        assert (answer.status_code, answer.json()) == (200, {"success": True})
        assert script.get("/api/profiles", headers=bearer(secret)).status_code == 401

    def test_not_somebody_elses(self, as_bob, charlie):
        row, _secret = make_personal_token(charlie, "x")

        answer = as_bob.delete(f"/api/tokens/{row.pk}", headers={"Origin": "http://testserver"})

        assert answer.status_code == 404
        assert as_bob.get("/api/tokens").json() == []
        assert ApiToken.objects.exists()


@pytest.mark.parametrize("rows", [2, 50])
def test_listing_costs_two_statements(as_bob, bob, rows, django_assert_num_queries):
    for number in range(min(rows, MOST_TOKENS)):
        make_personal_token(bob, str(number))

    with django_assert_num_queries(2):  # the session with its person, the tokens
        assert len(as_bob.get("/api/tokens").json()) == rows
