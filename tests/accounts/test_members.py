"""Members of a profile: everybody in it sees them, leaders and staff change them, nobody else learns anything."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.http import Http404
from django.utils import timezone

from accounts import members
from accounts.admission import is_admitted
from accounts.models import User, UserProfile
from catalog.access import Role
from catalog.models import Profile
from tests.factories import make_user

PATH = "/api/profiles/demo-band/members"
NEW = {"email": "new@example.org"}


@pytest.fixture
def lena(demo_band) -> User:
    """A leader of demo-band, and its only one."""
    user = make_user("lena@example.org", name="Lena", profiles=[demo_band])
    user.profile_links.update(role="leader")
    return user


def send(client, method: str, path: str, body=None):
    return getattr(client, method)(path, body, content_type="application/json", headers={"Origin": "http://testserver"})


def as_(client, user):
    client.force_login(user)
    return client


def role_of(user, profile) -> str | None:
    return UserProfile.objects.filter(user=user, profile=profile).values_list("role", flat=True).first()


class TestLooking:
    @pytest.mark.parametrize("who", ["alice", "bob", "lena"])
    def test_everybody_in_it_and_staff_see_who_is_in_it(self, client, alice, bob, lena, who):
        User.objects.update(last_login=timezone.now())

        answer = as_(client, {"alice": alice, "bob": bob, "lena": lena}[who]).get(PATH)

        assert answer.status_code == 200
        rows = answer.json()
        assert [(row["email"], row["name"], row["role"]) for row in rows] == [
            ("bob@example.org", "Bob", "member"),
            ("lena@example.org", "Lena", "leader"),
        ]
        assert set(rows[0]) == {"id", "email", "name", "role", "joined_at", "has_been_here"}

    def test_outsiders_do_not_even_learn_that_it_is_there(self, client, charlie, lena):
        as_(client, charlie)
        for method, path, body in [
            ("get", PATH, None),
            ("post", PATH, NEW),
            ("patch", f"{PATH}/{lena.pk}", {"role": "member"}),
            ("delete", f"{PATH}/{lena.pk}", None),
        ]:
            there, nowhere = send(client, method, path, body), send(client, method, path.replace("demo", "no"), body)
            assert there.status_code == nowhere.status_code == 404
            assert there.json() == nowhere.json()
        assert role_of(lena, lena.profile_links.get().profile) == "leader"

    def test_strangers_are_told_to_sign_in(self, client, lena):
        for method, path in [("get", PATH), ("post", PATH), ("patch", f"{PATH}/{lena.pk}")]:
            assert send(client, method, path, {}).status_code == 401

    @pytest.mark.parametrize("rows", [2, 50])
    def test_it_costs_the_same_however_many_there_are(self, client, demo_band, bob, rows, django_assert_num_queries):
        for number in range(rows):
            make_user(f"member-{number}@example.org", profiles=[demo_band])
        as_(client, bob)

        with django_assert_num_queries(3):  # the session with its person, the profile, the members
            assert len(client.get(PATH).json()) == rows + 1


class TestInviting:
    def test_somebody_new(self, client, lena, demo_band, caplog):
        with caplog.at_level("INFO"):
            answer = send(as_(client, lena), "post", PATH, {"email": " New@Example.org "})

        assert answer.status_code == 201
        made = answer.json()
        assert (made["email"], made["name"], made["role"], made["has_been_here"]) == (
            "new@example.org",
            "",
            "member",
            False,
        )
        user = User.objects.get(email="new@example.org")
        assert role_of(user, demo_band) == "member"
        assert user.invited_by == lena
        assert is_admitted(user)
        assert not user.has_usable_password()
        assert (user.is_staff, user.is_superuser) == (False, False)
        assert user.profile_links.count() == 1
        assert "lena@example.org invited new@example.org to demo-band" in caplog.text

    def test_as_a_leader(self, client, lena, demo_band):
        send(as_(client, lena), "post", PATH, {**NEW, "role": "leader"})

        assert role_of(User.objects.get(email=NEW["email"]), demo_band) == "leader"

    def test_by_staff_is_by_nobody_in_particular(self, client, alice, demo_band):
        assert send(as_(client, alice), "post", PATH, NEW).status_code == 201

        user = User.objects.get(email=NEW["email"])
        assert (user.is_invited, user.invited_by) == (True, None)

    def test_members_may_not_and_are_told_whom_to_ask(self, client, bob):
        answer = send(as_(client, bob), "post", PATH, NEW)

        assert answer.status_code == 404
        assert answer.json()["detail"].startswith("Inviting in demo-band is for its leaders.")
        assert not User.objects.filter(email=NEW["email"]).exists()

    def test_an_account_that_is_there_looks_like_one_that_is_not(self, client, lena, charlie):
        User.objects.update(last_login=timezone.now())
        as_(client, lena)

        known, unknown = (
            send(client, "post", PATH, {"email": email}) for email in ("charlie@example.org", "new@example.org")
        )

        assert known.status_code == unknown.status_code == 201
        changing = {"id", "email", "joined_at"}
        assert {name: value for name, value in known.json().items() if name not in changing} == {
            name: value for name, value in unknown.json().items() if name not in changing
        }
        names = {row["email"]: row["name"] for row in client.get(PATH).json()}
        assert names["charlie@example.org"] == ""

        User.objects.filter(pk=charlie.pk).update(last_login=timezone.now())

        names = {row["email"]: row["name"] for row in client.get(PATH).json()}
        assert names["charlie@example.org"] == "Charlie"

    def test_who_is_in_already_stays_as_they_are(self, client, lena, bob, demo_band):
        answer = send(as_(client, lena), "post", PATH, {"email": bob.email, "role": "leader"})

        assert answer.status_code == 200
        assert answer.json()["role"] == role_of(bob, demo_band) == "member"

    def test_who_is_switched_off_stays_so(self, client, lena, db):
        gone = make_user("gone@example.org", is_active=False)

        send(as_(client, lena), "post", PATH, {"email": gone.email})

        gone.refresh_from_db()
        assert not is_admitted(gone)

    def test_being_on_the_list_is_not_made_an_invitation(self, client, lena, google):
        send(as_(client, lena), "post", PATH, {"email": "bob@example.org"})

        user = User.objects.get(email="bob@example.org")
        assert (user.is_invited, user.invited_by) == (False, None)

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "email"),
            ({"email": ""}, "email"),
            ({"email": "nobody"}, "email"),
            ({"email": "x" * 250 + "@example.org"}, "email"),
            ({"email": "a\0@example.org"}, "email"),
            ({**NEW, "role": "staff"}, "role"),
            ({**NEW, "role": ""}, "role"),
        ],
    )
    def test_mistakes_are_named(self, client, lena, body, field):
        answer = send(as_(client, lena), "post", PATH, body)

        assert answer.status_code == 400
        assert set(answer.json()["errors"]) == {field}

    def test_nothing_else_can_be_given(self, client, lena):
        send(as_(client, lena), "post", PATH, {**NEW, "is_staff": True, "is_superuser": True, "name": "x", "id": "x"})

        user = User.objects.get(email=NEW["email"])
        assert (user.is_staff, user.is_superuser, user.name) == (False, False, "")

    def test_who_was_kept_out_comes_back_to_this_profile_only(self, client, lena, charlie, demo_band, other_band):
        """Another band's leader cannot open it again to somebody whom that band, or staff, no longer let in."""
        User.objects.filter(pk=charlie.pk).update(is_invited=False)

        assert send(as_(client, lena), "post", PATH, {"email": charlie.email}).status_code == 201

        assert role_of(charlie, demo_band) == "member"
        assert role_of(charlie, other_band) is None

    def test_who_is_let_in_keeps_their_other_profiles(self, client, lena, charlie, demo_band, other_band):
        assert send(as_(client, lena), "post", PATH, {"email": charlie.email}).status_code == 201

        assert role_of(charlie, other_band) == "member"

    def test_an_invitation_ends_with_the_profile_it_was_for(self, client, lena, demo_band):
        send(as_(client, lena), "post", PATH, NEW)
        new = User.objects.get(email=NEW["email"])
        assert is_admitted(new)

        assert send(client, "delete", f"{PATH}/{new.pk}").status_code == 200

        new.refresh_from_db()
        assert not is_admitted(new)


class TestRoles:
    def test_a_leader_makes_a_leader(self, client, lena, bob, demo_band):
        answer = send(as_(client, lena), "patch", f"{PATH}/{bob.pk}", {"role": "leader"})

        assert answer.status_code == 200
        assert answer.json()["role"] == role_of(bob, demo_band) == "leader"

    @pytest.mark.parametrize(("method", "body"), [("patch", {"role": "member"}), ("delete", None)])
    def test_the_last_leader_stays(self, client, lena, demo_band, method, body):
        off = make_user("off@example.org", profiles=[demo_band], is_active=False)
        off.profile_links.update(role="leader")  # leads nothing any more

        answer = send(as_(client, lena), method, f"{PATH}/{lena.pk}", body)

        assert answer.status_code == 409
        assert "no leader left" in answer.json()["detail"]
        assert role_of(lena, demo_band) == "leader"

    @pytest.mark.parametrize(("method", "body"), [("patch", {"role": "member"}), ("delete", None)])
    def test_unless_staff_want_it(self, client, alice, lena, demo_band, method, body):
        assert send(as_(client, alice), method, f"{PATH}/{lena.pk}", body).status_code == 200
        assert role_of(lena, demo_band) != "leader"

    @pytest.mark.parametrize(("method", "body"), [("patch", {"role": "member"}), ("delete", None)])
    def test_who_was_invited_and_has_not_come_yet_does_not_stand_in(self, client, lena, demo_band, method, body):
        send(as_(client, lena), "post", PATH, {**NEW, "role": "leader"})

        answer = send(client, method, f"{PATH}/{lena.pk}", body)

        assert answer.status_code == 409
        assert role_of(lena, demo_band) == "leader"

        User.objects.filter(email=NEW["email"]).update(last_login=timezone.now())

        assert send(client, method, f"{PATH}/{lena.pk}", body).status_code == 200

    def test_nor_who_may_not_come_any_more(self, client, lena, bob, demo_band):
        bob.profile_links.update(role="leader")
        User.objects.filter(pk=bob.pk).update(last_login=timezone.now(), is_invited=False)

        assert send(as_(client, lena), "delete", f"{PATH}/{lena.pk}").status_code == 409

    @pytest.mark.parametrize(("method", "body"), [("patch", {"role": "member"}), ("delete", None)])
    def test_who_has_not_come_may_be_taken_back(self, client, lena, demo_band, method, body):
        """By a leader who was joined after signing in: whoever asks is here."""
        send(as_(client, lena), "post", PATH, {**NEW, "role": "leader"})
        User.objects.filter(pk=lena.pk).update(last_login=None)
        new = User.objects.get(email=NEW["email"])

        assert send(client, method, f"{PATH}/{new.pk}", body).status_code == 200
        assert role_of(new, demo_band) != "leader"

    def test_one_of_two_may_go(self, client, lena, bob, demo_band):
        bob.profile_links.update(role="leader")
        User.objects.filter(pk=bob.pk).update(last_login=timezone.now())

        assert send(as_(client, lena), "delete", f"{PATH}/{lena.pk}").json() == {"success": True}
        assert role_of(lena, demo_band) is None
        assert client.get(PATH).status_code == 404

    def test_members_change_nothing(self, client, bob, lena, demo_band):
        as_(client, bob)
        change = send(client, "patch", f"{PATH}/{bob.pk}", {"role": "leader"})
        leave = send(client, "delete", f"{PATH}/{bob.pk}")

        assert (change.status_code, leave.status_code) == (404, 404)
        assert change.json()["detail"].startswith("Changing roles in demo-band is for its leaders.")
        assert leave.json()["detail"].startswith("Taking people out in demo-band is for its leaders.")
        assert send(client, "delete", f"{PATH}/{lena.pk}").status_code == 404
        assert (role_of(bob, demo_band), role_of(lena, demo_band)) == ("member", "leader")

    def test_of_somebody_who_is_not_in_it(self, client, lena, charlie):
        as_(client, lena)
        for user_id in (charlie.pk, uuid4()):
            answer = send(client, "patch", f"{PATH}/{user_id}", {"role": "leader"})
            assert answer.status_code == 404
            assert answer.json()["detail"] == "There is no such member."
            assert send(client, "delete", f"{PATH}/{user_id}").status_code == 404

    def test_a_leader_of_one_is_nothing_in_another(self, client, lena, charlie, other_band):
        path = PATH.replace("demo-band", "other-band")

        assert send(as_(client, lena), "delete", f"{path}/{charlie.pk}").status_code == 404
        assert role_of(charlie, other_band) == "member"

    def test_being_taken_out_takes_nothing_else(self, client, lena, bob, demo_band):
        assert send(as_(client, lena), "delete", f"{PATH}/{bob.pk}").status_code == 200

        bob.refresh_from_db()
        assert is_admitted(bob)
        assert role_of(bob, demo_band) is None


@pytest.mark.parametrize("method", ["put", "delete"])
def test_other_methods(client, lena, method):
    answer = send(as_(client, lena), method, PATH)

    assert answer.status_code == 405
    assert answer.json()["detail"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("whom", ["each other", "themselves"])
@pytest.mark.parametrize("how", [members.remove, lambda *asked: members.change_role(*asked, role=Role.MEMBER)])
def test_two_leaders_do_not_leave_a_profile_without_one(lena, bob, demo_band, whom, how):
    bob.profile_links.update(role=Role.LEADER)
    User.objects.update(last_login=timezone.now())
    start = threading.Barrier(2)

    def take_out(by: User, who: User) -> bool:
        try:
            start.wait()
            how(by, demo_band, who.pk)
        except (members.LastLeader, Http404):
            return False
        else:
            return True
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(take_out, [lena, bob], [bob, lena] if whom == "each other" else [lena, bob]))

    assert sorted(done) == [False, True]
    assert UserProfile.objects.filter(profile=demo_band, role="leader").count() == 1


CHANGES: dict[str, Callable[..., Any]] = {
    "invite": lambda by, profile, _who: members.invite(by, profile, "new@example.org"),
    "change_role": lambda by, profile, who: members.change_role(by, profile, who.pk, Role.LEADER),
    "remove": lambda by, profile, who: members.remove(by, profile, who.pk),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("change", CHANGES)
def test_who_is_demoted_while_waiting_does_nothing(lena, bob, demo_band, change):
    """The request found a leader; the change finds a member."""
    looked_up = User.objects.get(pk=lena.pk)
    looked_up.open_profiles = f'[["{demo_band.pk}", "demo-band", "", "", "leader"]]'.encode()

    def act() -> None:
        try:
            CHANGES[change](looked_up, demo_band, bob)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            lena.profile_links.update(role=Role.MEMBER)
            waiting = pool.submit(act)
            until_somebody_waits()
        with pytest.raises(Http404, match="is for its leaders"):
            waiting.result(timeout=30)

    assert role_of(bob, demo_band) == "member"
    assert not User.objects.filter(email="new@example.org").exists()


def until_somebody_waits() -> None:
    """Return when another connection waits for a lock of this one's."""
    statement = (
        "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid)))"
    )
    deadline = time.monotonic() + 20
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute(statement)
            if cursor.fetchone()[0]:
                return
            time.sleep(0.01)
    raise AssertionError("nobody waits")


@pytest.mark.django_db(transaction=True)
def test_two_who_let_somebody_in_again_at_once_open_both_profiles(lena, charlie, demo_band, other_band):
    """Who comes second finds them let in, and closes nothing of what the first has opened."""
    charlie.profile_links.update(role=Role.LEADER)
    gone = make_user("gone@example.org", is_invited=False)
    start = threading.Barrier(2)

    def invite(by: User, profile: Profile) -> None:
        try:
            start.wait()
            members.invite(by, profile, gone.email)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(invite, [lena, charlie], [demo_band, other_band]))

    assert gone.profile_links.count() == 2


@pytest.mark.django_db(transaction=True)
def test_the_same_invitation_twice_at_once(lena, demo_band):
    def invite(_number: int) -> bool:
        try:
            return members.invite(lena, demo_band, "new@example.org")[1]
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        new = list(pool.map(invite, range(4)))

    assert sorted(new) == [False, False, False, True]
