"""/auth/status: always 200, and what the client and our scripts want to know."""

import pytest

from tests.factories import make_profile

ELSEWHERE = "https://client.example"


def status(client, **headers: str):
    return client.get("/auth/status", headers=headers).json()


def test_nobody(client, db, django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = client.get("/auth/status")

    assert answer.status_code == 200
    assert answer.json() == {"authenticated": False, "user": None, "profiles": []}
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize("profiles", [2, 50])
def test_a_member_in_one_statement(client, bob, profiles, django_assert_num_queries):
    for number in range(profiles):
        bob.profile_links.create(profile=make_profile(f"band-{number:02}"))
    client.force_login(bob)

    with django_assert_num_queries(1):  # the session with its person and what they may open
        answer = status(client)

    assert answer["user"] == {"id": str(bob.pk), "name": "Bob", "email": bob.email, "picture": "/auth/picture"}
    assert answer["profiles"] == sorted([f"band-{number:02}" for number in range(profiles)] + ["demo-band"])


def test_staff_may_open_all(client, alice, demo_band, other_band):
    client.force_login(alice)

    assert status(client)["profiles"] == ["demo-band", "other-band"]


def test_who_has_no_name_is_called_by_address(client, bob):
    bob.name = ""
    bob.save()
    client.force_login(bob)

    assert status(client)["user"]["name"] == bob.email


@pytest.mark.parametrize(
    ("facts", "origin", "picture"),
    [
        ({}, None, "/auth/picture"),
        ({}, "http://testserver", "/auth/picture"),
        ({}, ELSEWHERE, "http://testserver/auth/picture"),
        ({"BACKEND_URL": "https://api.example"}, None, "/auth/picture"),
        ({"BACKEND_URL": "https://api.example"}, ELSEWHERE, "https://api.example/auth/picture"),
        (
            {"BACKEND_URL": "https://api.example", "FRONTEND_URL": ELSEWHERE, "CROSS_ORIGIN_CLIENT": True},
            None,
            "https://api.example/auth/picture",
        ),
    ],
)
def test_the_picture_is_always_of_our_origin(client, bob, settings, facts, origin, picture):
    for name, value in facts.items():
        setattr(settings, name, value)
    client.force_login(bob)

    assert status(client, **({"Origin": origin} if origin else {}))["user"]["picture"] == picture


def test_two_people_with_one_browser_do_not_see_each_others_picture(client, bob, charlie):
    client.force_login(bob)
    first = client.get("/auth/picture")
    client.force_login(charlie)

    second = client.get("/auth/picture", headers={"If-None-Match": first["ETag"]})

    assert second.status_code == 200
    assert b">C</text>" in second.content
    assert "Cookie" in second["Vary"]


def test_a_drawn_picture_can_do_nothing(client, bob):
    bob.name = "<script>alert(1)</script> &amp;"
    bob.save()
    client.force_login(bob)

    answer = client.get("/auth/picture")

    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert b"script" not in answer.content
