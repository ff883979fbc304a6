"""The page about oneself."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import ApiToken, Session
from accounts.tokens import MOST_TOKENS, make_personal_token, token_of_session


@pytest.fixture
def as_bob(client, bob):
    client.force_login(bob)
    return client


def test_it_is_for_those_who_are_signed_in(client, db):
    assert client.get("/account")["Location"] == "/login?next=/account"
    for path in ("/account/tokens", "/account/sign-out-everywhere"):
        assert client.post(path)["Location"].startswith("/login")


def test_every_page_leads_to_it(as_bob):
    assert '<a class="whoami" href="/account">Bob</a>' in as_bob.get("/library").content.decode()


def test_where_one_is_signed_in(as_bob, bob, charlie):
    Client().force_login(charlie)
    elsewhere = Client()
    elsewhere.force_login(bob)

    page = as_bob.get("/account").content.decode()

    assert page.count("This browser") == 1
    assert page.count("Another browser") == 1
    assert "bob@example.org" in page
    for session in Session.objects.all():
        assert session.session_key not in page


def test_this_browser_is_known_by_the_token_too(as_bob, bob):
    session = as_bob.session
    token = token_of_session(session, bob)
    session.save()
    client = Client()
    client.cookies["stemset_token"] = token

    assert "This browser" in client.get("/account").content.decode()


def test_names_are_shown_as_text(as_bob, bob):
    bob.name = "<script>alert(1)</script>"
    bob.save()
    make_personal_token(bob, "<b>token</b>")

    page = as_bob.get("/account").content.decode()

    assert "<script>" not in page
    assert "<b>" not in page


def test_signing_out_everywhere(as_bob, bob):
    elsewhere = Client()
    elsewhere.force_login(bob)
    make_personal_token(bob, "x")

    answer = as_bob.post("/account/sign-out-everywhere")

    assert answer["Location"] == "/login"
    assert as_bob.get("/account").status_code == 302
    assert elsewhere.get("/account").status_code == 302
    assert ApiToken.objects.exists()


def test_signing_out_everywhere_with_tokens(as_bob, bob):
    make_personal_token(bob, "x")

    as_bob.post("/account/sign-out-everywhere", {"tokens": "on"})

    assert not ApiToken.objects.exists()


@pytest.mark.parametrize(("expires", "days"), [("30", 30), ("90", 90), ("365", 365), ("", None)])
def test_a_token_is_shown_once(as_bob, bob, expires, days):
    answer = as_bob.post("/account/tokens", {"name": "backup", "expires": expires})

    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    secret = re.search(r'value="(stemset_[^"]+)"', answer.content.decode()).group(1)
    assert Client().get("/api/profiles", headers={"Authorization": f"Bearer {secret}"}).status_code == 200
    row = ApiToken.objects.get()
    if days is None:
        assert row.expires_at is None
    else:
        assert abs(row.expires_at - timezone.now() - timedelta(days=days)) < timedelta(minutes=1)
    again = as_bob.get("/account").content.decode()
    assert "backup" in again
    assert secret not in again


@pytest.mark.parametrize("form", [{"name": ""}, {"name": "x" * 101}, {"name": "x", "expires": "7"}])
def test_mistakes(as_bob, form):
    assert as_bob.post("/account/tokens", form).status_code == 400
    assert not ApiToken.objects.exists()


def test_no_more_than_enough(as_bob, bob):
    for number in range(MOST_TOKENS):
        make_personal_token(bob, str(number))

    answer = as_bob.post("/account/tokens", {"name": "x"})

    assert answer.status_code == 409
    assert "Revoke one first" in answer.content.decode()


def test_revoking(as_bob, bob):
    row, _secret = make_personal_token(bob, "x")

    assert as_bob.post(f"/account/tokens/{row.pk}/revoke")["Location"] == "/account"
    assert not ApiToken.objects.exists()


def test_revoking_somebody_elses(as_bob, charlie):
    row, _secret = make_personal_token(charlie, "x")

    assert as_bob.post(f"/account/tokens/{row.pk}/revoke").status_code == 404
    assert ApiToken.objects.exists()


def test_nothing_is_changed_without_our_own_form(bob):
    client = Client(enforce_csrf_checks=True)
    client.force_login(bob)
    row, _secret = make_personal_token(bob, "x")

    for path in ("/account/tokens", f"/account/tokens/{row.pk}/revoke", "/account/sign-out-everywhere"):
        assert client.post(path, {"name": "y"}).status_code == 403
        assert client.get(path).status_code == 405

    assert ApiToken.objects.get() == row
    assert client.get("/account").status_code == 200


@pytest.mark.parametrize("rows", [2, 50])
def test_it_costs_the_same_however_much_there_is(as_bob, bob, rows, django_assert_num_queries):
    for number in range(rows):
        make_personal_token(bob, str(number))
        Client().force_login(bob)

    with django_assert_num_queries(3):  # the session with its person, the sessions, the tokens
        as_bob.get("/account")


class TestPart:
    def test_is_blank_at_first_and_can_be_chosen(self, as_bob, bob):
        assert '<option value="" selected>' in as_bob.get("/account").content.decode()

        assert as_bob.post("/account/part", {"my_part": "bass"})["Location"] == "/account"

        bob.refresh_from_db()
        assert bob.my_part == "bass"
        assert '<option value="bass" selected>Bass</option>' in as_bob.get("/account").content.decode()

    def test_can_be_taken_back(self, as_bob, bob):
        bob.my_part = "drums"
        bob.save()

        as_bob.post("/account/part", {"my_part": ""})

        bob.refresh_from_db()
        assert bob.my_part == ""

    def test_is_none_that_nobody_knows(self, as_bob, bob):
        answer = as_bob.post("/account/part", {"my_part": "kazoo"})

        assert answer.status_code == 400
        assert "kazoo is not one of the available choices" in answer.content.decode()
        bob.refresh_from_db()
        assert bob.my_part == ""
