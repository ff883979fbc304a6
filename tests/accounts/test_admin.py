"""People in the admin: inviting, signing out, forgetting a Google account, revoking tokens."""

import pytest
from django.test import Client
from social_django.models import UserSocialAuth

from accounts.models import ApiToken, Session, User, UserProfile
from accounts.tokens import make_personal_token
from tests.factories import make_user

PEOPLE = "/admin/accounts/user/"
NO_PROFILES = {"profile_links-TOTAL_FORMS": "0", "profile_links-INITIAL_FORMS": "0"}


@pytest.fixture
def as_alice(client, alice):
    client.force_login(alice)
    return client


@pytest.fixture
def root(db) -> User:
    return make_user("root@example.org", is_staff=True, is_superuser=True)


def act(client, action: str, *people: User):
    return client.post(PEOPLE, {"action": action, "_selected_action": [str(user.pk) for user in people]}, follow=True)


class TestInviting:
    def test_whom_staff_add_they_invite_unless_they_say_otherwise(self, as_alice):
        form = as_alice.get(f"{PEOPLE}add/").context["adminform"].form

        assert form["is_invited"].value() is True

    @pytest.mark.parametrize("ticked", [True, False])
    def test_what_is_ticked_is_kept(self, as_alice, ticked):
        form = {"email": "new@example.org", "usable_password": "false", **NO_PROFILES}

        as_alice.post(f"{PEOPLE}add/", {**form, **({"is_invited": "on"} if ticked else {})})

        assert User.objects.get(email="new@example.org").is_invited is ticked

    def test_on_the_form(self, as_alice, bob, demo_band):
        form = {
            "email": bob.email,
            "is_active": "on",
            "profile_links-TOTAL_FORMS": "1",
            "profile_links-INITIAL_FORMS": "1",
            "profile_links-0-id": str(bob.profile_links.get().pk),
            "profile_links-0-user": str(bob.pk),
            "profile_links-0-profile": str(demo_band.pk),
            "profile_links-0-role": "leader",
        }

        assert as_alice.post(f"{PEOPLE}{bob.pk}/change/", form).status_code == 302

        bob.refresh_from_db()
        assert not bob.is_invited
        assert bob.profile_links.get().role == "leader"

    def test_staff_take_over_what_a_leader_began(self, as_alice, charlie):
        invited = make_user("new@example.org", is_invited=False, invited_by=charlie)
        form = {"email": invited.email, "is_active": "on", "is_invited": "on", **NO_PROFILES}

        assert as_alice.post(f"{PEOPLE}{invited.pk}/change/", form).status_code == 302

        invited.refresh_from_db()
        assert (invited.is_invited, invited.invited_by) == (True, None)

    def test_the_role_is_in_the_list(self, as_alice, bob):
        UserProfile.objects.update(role="leader")

        assert "leader" in as_alice.get("/admin/accounts/userprofile/?role__exact=leader").content.decode()


class TestSigningOut:
    def test_members(self, as_alice, alice, client_of, bob, charlie):
        client_of(bob), client_of(bob), client_of(charlie)

        page = act(as_alice, "sign_out", bob, charlie).content.decode()

        assert "3 sessions of 2 people were ended." in page
        assert [session.user for session in Session.objects.all()] == [alice]

    def test_not_each_other(self, as_alice, client_of, root):
        client_of(root)

        assert "0 sessions of 0 people" in act(as_alice, "sign_out", root).content.decode()
        assert Session.objects.filter(user=root).exists()

    def test_from_the_form_of_one(self, as_alice, client_of, bob):
        client_of(bob)

        page = as_alice.get(f"{PEOPLE}{bob.pk}/change/").content.decode()

        assert "Sign out everywhere" in page


class TestGoogle:
    @pytest.fixture
    def linked(self, bob) -> User:
        UserSocialAuth.objects.create(user=bob, provider="google", uid="1001", id_key="sub")
        return bob

    def test_it_is_shown(self, as_alice, linked):
        assert "1001" in as_alice.get(f"{PEOPLE}{linked.pk}/change/").content.decode()

    def test_it_is_forgotten(self, as_alice, linked):
        act(as_alice, "forget_google", linked)

        assert not UserSocialAuth.objects.exists()
        assert "none yet" in as_alice.get(f"{PEOPLE}{linked.pk}/change/").content.decode()

    def test_not_each_others(self, as_alice, root):
        UserSocialAuth.objects.create(user=root, provider="google", uid="1", id_key="sub")

        act(as_alice, "forget_google", root)

        assert UserSocialAuth.objects.exists()

    def test_the_librarys_own_pages_are_not_there(self, client, root):
        client.force_login(root)

        assert client.get("/admin/social_django/usersocialauth/").status_code == 404


class TestTokens:
    def test_they_are_listed_but_not_shown(self, as_alice, bob):
        row, secret = make_personal_token(bob, "backup")

        for path in ("", f"{row.pk}/change/"):
            page = as_alice.get(f"/admin/accounts/apitoken/{path}").content.decode()
            assert "backup" in page
            assert secret not in page
            assert row.secret_sha256 not in page
        assert as_alice.post(f"/admin/accounts/apitoken/{row.pk}/change/", {"name": "x"}).status_code == 403
        assert as_alice.get("/admin/accounts/apitoken/add/").status_code == 403

    def test_staff_revoke_those_of_members_but_not_of_each_other(self, as_alice, bob, root):
        of_bob, of_root = make_personal_token(bob, "x")[0], make_personal_token(root, "x")[0]
        yes = {"post": "yes"}

        assert as_alice.post(f"/admin/accounts/apitoken/{of_bob.pk}/delete/", yes).status_code == 302
        assert as_alice.post(f"/admin/accounts/apitoken/{of_root.pk}/delete/", yes).status_code == 403
        as_alice.post(
            "/admin/accounts/apitoken/",
            {"action": "delete_selected", "_selected_action": [str(of_root.pk)], "post": "yes"},
        )

        assert list(ApiToken.objects.all()) == [of_root]


@pytest.fixture
def client_of():
    """Sign somebody in, in a browser of their own."""

    def client_of(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return client_of
