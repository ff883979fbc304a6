"""Whose pages may ask for a change: a table of what a request says of where it comes from.

Asked are an address of the API (sign out everywhere), a form of ours and the admin, all by somebody who is signed in.
"""

import logging

import pytest
from django.middleware.csrf import get_token
from django.test import Client, RequestFactory

from accounts.models import Session
from accounts.tokens import make_personal_token
from tests.factories import make_recording

API = "/auth/logout-everywhere"
FORM = "/account/sign-out-everywhere"
ADMIN = "/admin/accounts/user/add/"
CLIENT = "https://client.example"
FOREIGN = "https://evil.example"
OWN = "http://testserver"

# What a request says, and whether it may change something on the API.
SAYS = {
    "our origin": ({"Origin": OWN}, True),
    "the client's origin": ({"Origin": CLIENT}, True),
    "the backend's own address, behind a proxy that does not say https": ({"Origin": "https://api.example"}, True),
    "a foreign origin": ({"Origin": FOREIGN}, False),
    "our host by another scheme": ({"Origin": "https://testserver"}, False),
    "our host at another port": ({"Origin": "http://testserver:8080"}, False),
    "a name that begins as ours": ({"Origin": "http://testserver.evil.example"}, False),
    "a name that ends as the client's": ({"Origin": "https://evilclient.example"}, False),
    "the client's origin in plain http": ({"Origin": "http://client.example"}, False),
    "a path behind our origin": ({"Origin": f"{OWN}/"}, False),
    "null": ({"Origin": "null"}, False),
    "an empty origin": ({"Origin": ""}, False),
    "two origins": ({"Origin": f"{OWN}, {FOREIGN}"}, False),
    "nonsense": ({"Origin": "http://[::1"}, False),
    "the same origin by Sec-Fetch-Site": ({"Sec-Fetch-Site": "same-origin"}, True),
    "the same site": ({"Sec-Fetch-Site": "same-site"}, False),
    "another site": ({"Sec-Fetch-Site": "cross-site"}, False),
    "no site": ({"Sec-Fetch-Site": "none"}, False),
    "something new by Sec-Fetch-Site": ({"Sec-Fetch-Site": "sibling"}, False),
    "a foreign origin and the same site": ({"Origin": FOREIGN, "Sec-Fetch-Site": "same-origin"}, False),
    "our origin and another site": ({"Origin": OWN, "Sec-Fetch-Site": "cross-site"}, True),
    "only a referrer of ours": ({"Referer": f"{OWN}/library"}, False),
    "nothing": ({}, False),
}


@pytest.fixture
def strict(settings) -> Client:
    """A client that leaves the checks in place, which Django's switches off."""
    settings.TRUSTED_ORIGINS = [CLIENT]
    settings.CSRF_TRUSTED_ORIGINS = [CLIENT, "https://api.example"]
    settings.BACKEND_URL = "https://api.example"
    return Client(enforce_csrf_checks=True)


@pytest.fixture
def as_alice(strict, alice) -> Client:
    alice.is_superuser = True
    alice.save()
    strict.force_login(alice)
    return strict


def change(client: Client, **headers: str):
    """Ask the API to sign out everywhere."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(API, content_type="application/json", headers=named)


def rename(client: Client, **headers: str):
    """Ask the API to call a recording something else, which scripts may."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    address = "/api/profiles/demo-band/files/x/display-name"
    return client.patch(address, {"display_name": "New"}, content_type="application/json", headers=named)


def token_of(client: Client) -> str:
    """Return a CSRF token, and put its cookie into the browser."""
    request = RequestFactory().get("/")
    token = get_token(request)
    client.cookies["csrftoken"] = request.META["CSRF_COOKIE"]
    return token


class TestApi:
    @pytest.mark.parametrize("says", SAYS)
    def test_by_what_the_request_says(self, as_alice, says):
        headers, may = SAYS[says]

        response = change(as_alice, **headers)

        assert response.status_code == (200 if may else 403)
        assert Session.objects.exists() is not may  # a refused request has done nothing
        if not may:
            assert response.json()["detail"].startswith("This request did not come from a page of this site")

    @pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "QUERY", "BREW"])
    def test_every_method_that_may_change_something_is_looked_at(self, as_alice, method):
        assert (
            as_alice.generic(
                method.upper(), API, content_type="application/json", headers={"Origin": FOREIGN}
            ).status_code
            == 403
        )
        assert (
            as_alice.generic(method.upper(), API, content_type="application/json", headers={"Origin": OWN}).status_code
            != 403
        )

    @pytest.mark.parametrize("method", ["get", "head", "options"])
    def test_reading_is_open_to_every_page(self, as_alice, method):
        # That a foreign page does not see the answer is the browser's doing.
        assert getattr(as_alice, method)("/api/profiles", headers={"Origin": FOREIGN}).status_code == 200

    @pytest.mark.parametrize("word", ["Bearer", "bearer"])
    def test_a_script_needs_only_its_token(self, strict, bob, demo_band, word):
        make_recording(demo_band, "x")
        _row, token = make_personal_token(bob, "script")

        assert rename(strict, Authorization=f"{word} {token}").status_code == 200

    @pytest.mark.parametrize("value", ["Bearer nonsense", "Bearer", "bearer "])
    def test_a_token_that_is_worth_nothing_lets_no_cookie_through(self, as_alice, value):
        response = change(as_alice, Authorization=value)

        assert response.status_code == 401
        assert Session.objects.exists()

    def test_other_kinds_of_authorization_are_no_token(self, as_alice):
        for value in ("Basic YTpi", "Bearerx y", "Bearerx", ""):
            assert change(as_alice, Authorization=value).status_code == 403

    @pytest.mark.parametrize("headers", [{"Origin": FOREIGN}, {"Origin": "null"}, {"Sec_Fetch_Site": "cross-site"}])
    def test_a_token_does_not_make_a_foreign_page_ours(self, strict, bob, demo_band, headers):
        make_recording(demo_band, "x")
        _row, token = make_personal_token(bob, "script")

        assert rename(strict, Authorization=f"Bearer {token}", **headers).status_code == 403

    def test_who_says_nothing_may_show_a_csrf_token(self, as_alice):
        token = token_of(as_alice)

        assert change(as_alice, **{"X-CSRFToken": token[::-1]}).status_code == 403
        assert change(as_alice, **{"X-CSRFToken": token}).status_code == 200

    def test_a_csrf_token_does_not_make_a_foreign_page_ours(self, as_alice):
        assert change(as_alice, **{"X-CSRFToken": token_of(as_alice), "Origin": FOREIGN}).status_code == 403

    def test_a_body_is_not_read_in_search_of_a_token(self, as_alice):
        body = {"csrfmiddlewaretoken": token_of(as_alice)}
        assert as_alice.post(API, body).status_code == 403


class TestForms:
    @pytest.mark.parametrize("place", [FORM, ADMIN])
    @pytest.mark.parametrize("says", SAYS)
    def test_they_need_their_token_besides(self, as_alice, place, says):
        headers, may = SAYS[says]
        token = token_of(as_alice)

        without = as_alice.post(place, {}, headers=headers)
        assert without.status_code == 403
        assert Session.objects.exists()
        response = as_alice.post(place, {"csrfmiddlewaretoken": token}, headers=headers)

        # With nothing said a form's own token is what counts, as Django has it.
        may = may or says in ("nothing", "only a referrer of ours")
        assert (response.status_code != 403) is may
        assert response["Content-Type"].startswith("text/html")

    def test_a_refusal_is_a_page(self, as_alice):
        response = as_alice.post(FORM, headers={"Origin": FOREIGN})

        assert response.status_code == 403
        assert b"nothing was changed" in response.content


class TestProxies:
    def test_behind_tls_our_origin_is_https(self, strict, settings, alice):
        settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
        settings.BACKEND_URL = ""
        strict.force_login(alice)
        said = {"X-Forwarded-Proto": "https", "Host": "testserver"}

        assert change(strict, **{**said, "Origin": OWN}).status_code == 403
        assert change(strict, **{**said, "Origin": "https://testserver"}).status_code == 200

    def test_a_proxy_is_not_believed_unless_we_are_told_to(self, as_alice):
        headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example", "Origin": "https://testserver"}
        assert change(as_alice, **headers).status_code == 403

    def test_the_port_is_part_of_our_origin(self, as_alice):
        asked = {"Host": "testserver:8000"}
        assert change(as_alice, **{**asked, "Origin": OWN}).status_code == 403
        assert change(as_alice, **{**asked, "Origin": "http://testserver:8000"}).status_code == 200

    def test_the_log_says_what_was_compared(self, as_alice, caplog):
        with caplog.at_level(logging.WARNING):
            change(as_alice, Origin="https://testserver")

        assert "'https://testserver'" in caplog.text
        assert "'http://testserver'" in caplog.text
