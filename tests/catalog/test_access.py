"""Who may see what, and by what signs; tests/test_access_matrix.py has every address and everybody."""

import pytest
from django.conf import settings
from django.http import Http404

from catalog.access import Action, Role, profile_for, visible_profiles
from catalog.api.listing import profiles_of
from tests.factories import make_profile, make_recording, make_user


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


class TestRoles:
    def test_a_member_does_not_borrow_the_role_of_a_leader(self, bob, demo_band):
        """Both are joined to the profile; only one of them leads it."""
        leader = make_user("leader@example.org", profiles=[demo_band])
        leader.profile_links.update(role=Role.LEADER)

        for action in (Action.UPLOAD, Action.DELETE, Action.INVITE):
            assert profile_for(leader, "demo-band", action) == demo_band
            with pytest.raises(Http404):
                profile_for(bob, "demo-band", action)

    def test_a_leader_leads_only_their_own(self, bob, demo_band):
        bob.profile_links.create(profile=make_profile("second"), role=Role.LEADER)

        assert profile_for(bob, "second", Action.UPLOAD).name == "second"
        with pytest.raises(Http404):
            profile_for(bob, "demo-band", Action.UPLOAD)

    def test_a_refusal_says_why_to_those_who_may_know(self, bob, charlie, demo_band):
        with pytest.raises(Http404, match="Uploading in demo-band is for its leaders"):
            profile_for(bob, "demo-band", Action.UPLOAD)
        with pytest.raises(Http404, match="There is no such profile"):
            profile_for(charlie, "demo-band", Action.UPLOAD)

    def test_the_rule_by_hand_is_the_same_rule(self, alice, bob, charlie, demo_band):
        make_profile("nobodys")
        for person in (alice, bob, charlie):
            by_hand = [profile["name"] for profile in profiles_of(person)]
            assert by_hand == list(visible_profiles(person).order_by("name").values_list("name", flat=True))
