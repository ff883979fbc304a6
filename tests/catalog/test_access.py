"""Who may open what: every page and file, asked for by everybody."""

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.urls import URLPattern, get_resolver, resolve

from catalog.access import visible_profiles
from tests.factories import make_profile, make_recording, write_files

OPEN, HIDDEN = 200, 404
LOGIN, ADMIN_LOGIN, LIBRARY = "/login", "/admin/login/", "/library"
FOR_STRANGERS = {"login", "logout"}
PEOPLE = ["anonymous", "charlie", "bob", "alice", "dora"]
# Answers in the order of PEOPLE: a stranger, an outsider, a member, staff, and a member whose account is switched off.
MATRIX = {
    "/": [LOGIN, LIBRARY, LIBRARY, LIBRARY, LOGIN],
    "/library": [LOGIN, OPEN, OPEN, OPEN, LOGIN],
    "/library/demo-band": [LOGIN, HIDDEN, OPEN, OPEN, LOGIN],
    "/library/demo-band/x": [LOGIN, HIDDEN, OPEN, OPEN, LOGIN],
    "/library/demo-band/no-such": [LOGIN, HIDDEN, HIDDEN, HIDDEN, LOGIN],
    "/library/no-such": [LOGIN, HIDDEN, HIDDEN, HIDDEN, LOGIN],
    "/library/no-such/x": [LOGIN, HIDDEN, HIDDEN, HIDDEN, LOGIN],
    "/media/demo-band/x/vocals.opus": [HIDDEN, HIDDEN, OPEN, OPEN, HIDDEN],
    "/media/demo-band/x/vocals_waveform.png": [HIDDEN, HIDDEN, OPEN, OPEN, HIDDEN],
    "/media/demo-band/x/no-such": [HIDDEN, HIDDEN, HIDDEN, HIDDEN, HIDDEN],
    "/admin": [LOGIN, "/admin/", "/admin/", "/admin/", LOGIN],
    "/admin/": [ADMIN_LOGIN, ADMIN_LOGIN, ADMIN_LOGIN, OPEN, ADMIN_LOGIN],
    "/admin/catalog/recording/": [LOGIN, ADMIN_LOGIN, ADMIN_LOGIN, OPEN, LOGIN],
    "/admin/catalog/importrun/": [LOGIN, ADMIN_LOGIN, ADMIN_LOGIN, OPEN, LOGIN],
    "/admin/accounts/user/": [LOGIN, ADMIN_LOGIN, ADMIN_LOGIN, OPEN, LOGIN],
}


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("path", MATRIX)
def test_matrix(request, client, demo_band, path, who):
    write_files(make_recording(demo_band, "x", duration=0.1))
    expected = MATRIX[path][PEOPLE.index(who)]
    if who != "anonymous":
        client.force_login(request.getfixturevalue(who))

    response = client.get(path)
    response.getvalue()  # closes the file

    if isinstance(expected, int):
        assert response.status_code == expected
    else:
        assert response.status_code == 302
        assert response["Location"].partition("?")[0] == expected


def test_matrix_knows_every_route():
    covered = {resolve(path).view_name for path in MATRIX}

    assert set(route_names(get_resolver().url_patterns)) - covered == FOR_STRANGERS


def route_names(patterns) -> Iterator[str]:
    """Yield the names of all routes except the admin's own, which has one check for all of them."""
    for pattern in patterns:
        if isinstance(pattern, URLPattern):
            yield str(pattern.name)
        elif pattern.namespace != "admin":
            yield from route_names(pattern.url_patterns)


def test_what_does_not_exist_looks_like_what_is_not_yours(client, bob, other_band):
    make_recording(other_band, "x")
    client.force_login(bob)

    def answer(path: str) -> tuple[int, bytes]:
        response = client.get(path)
        # the two requests' masked CSRF tokens differ by design
        lines = [line for line in response.content.splitlines() if b"csrfmiddlewaretoken" not in line]
        return response.status_code, b"\n".join(lines)

    assert answer("/library/other-band") == answer("/library/no-such-band")
    assert answer("/library/other-band/x") == answer("/library/no-such-band/x")
    assert answer("/media/other-band/x/vocals.opus") == answer("/media/no-such-band/x/vocals.opus")


def test_a_session_ends_with_the_account(client, bob):
    client.force_login(bob)
    bob.is_active = False
    bob.save()

    assert client.get("/library")["Location"] == "/login?next=/library"


def test_access_taken_away_is_gone_at_once(client, bob, demo_band):
    client.force_login(bob)
    assert client.get("/library/demo-band").status_code == 200

    bob.profile_links.all().delete()

    assert client.get("/library/demo-band").status_code == 404


def test_nobody_sees_anything_by_being_switched_off_staff(alice, demo_band):
    alice.is_active = False

    assert not visible_profiles(alice).exists()


def test_a_member_of_two_bands_sees_each_once(bob, demo_band):
    bob.profile_links.create(profile=make_profile("second"))

    assert [profile.name for profile in visible_profiles(bob).order_by("name")] == ["demo-band", "second"]


class TestSigningIn:
    def test_with_the_right_password_leads_where_one_wanted_to_go(self, client, bob):
        response = client.post(
            "/login", {"username": "Bob@Example.org", "password": "secret", "next": "/library/demo-band"}
        )

        assert response["Location"] == "/library/demo-band"

    @pytest.mark.parametrize("next_page", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
    def test_leads_nowhere_else(self, client, bob, next_page):
        response = client.post("/login", {"username": bob.email, "password": "secret", "next": next_page})

        assert response["Location"] == "/library"

    @pytest.mark.parametrize(("email", "password"), [("bob@example.org", "wrong"), ("nobody@example.org", "secret")])
    def test_with_anything_else_says_the_same(self, client, bob, email, password):
        response = client.post("/login", {"username": email, "password": password})

        assert response.status_code == 200
        assert b"do not go together" in response.content

    def test_a_switched_off_account_does_not_enter(self, client, dora):
        response = client.post("/login", {"username": dora.email, "password": "secret"})

        assert b"do not go together" in response.content

    def test_who_is_in_is_not_asked_again(self, client, bob):
        client.force_login(bob)

        assert client.get("/login")["Location"] == "/library"

    def test_out_by_form_only(self, client, bob):
        client.force_login(bob)

        assert client.get("/logout").status_code == 405
        assert client.post("/logout")["Location"] == "/login"
        assert settings.SESSION_COOKIE_NAME not in client.cookies or not client.cookies["sessionid"].value
        assert client.get("/library").status_code == 302
