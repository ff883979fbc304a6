"""From a Google account to a person when several things happen at once: one person, and no error."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from social_django.models import UserSocialAuth

from accounts.google import people
from accounts.google.identity import Identity
from accounts.google.pipeline import admit
from accounts.models import User
from tests.google import BOB

pytestmark = pytest.mark.django_db(transaction=True)


class Backend:
    """What the step needs of the library."""

    id_token = {"sub": BOB.sub, "email": BOB.email, "email_verified": True}


def elsewhere(work) -> None:
    """Do something in another connection."""

    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def test_first_sign_ins_at_once(visitor):
    browsers = [visitor() for _ in range(4)]
    backs = [browser.at_google(browser.begin(), BOB.email) for browser in browsers]

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda pair: pair[0].ask(pair[1]), zip(browsers, backs, strict=True)))

    assert [answer.status_code for answer in answers] == [302] * 4
    assert User.objects.count() == 1
    assert UserSocialAuth.objects.count() == 1
    assert {browser.who() for browser in browsers} == {BOB.email}


@pytest.mark.parametrize("who_was_faster", ["the same sign-in in another tab", "staff, who invited them"])
def test_somebody_makes_the_same_person_in_between(google, monkeypatch, who_was_faster):
    keep_in_step = people._keep_in_step
    calls = []

    def somebody_was_faster(user: User, identity: Identity) -> None:
        calls.append(user)
        if len(calls) == 1:
            faster = {
                "the same sign-in in another tab": lambda: people.person_for(identity),
                "staff, who invited them": lambda: User.objects.create_user(BOB.email, is_invited=True),
            }
            elsewhere(faster[who_was_faster])
        keep_in_step(user, identity)

    monkeypatch.setattr(people, "_keep_in_step", somebody_was_faster)

    found = admit(Backend(), {"name": "Bob"})

    assert found["user"] == User.objects.get()
    assert found["social"] == UserSocialAuth.objects.get()


def test_the_same_sign_in_in_another_tab_ends_between_our_two_looks(google, monkeypatch):
    unlinked = people._unlinked
    calls = []

    def it_was_faster(identity: Identity) -> User:
        calls.append(identity)
        if len(calls) == 1:
            elsewhere(lambda: people.person_for(identity))
        return unlinked(identity)

    monkeypatch.setattr(people, "_unlinked", it_was_faster)

    assert admit(Backend(), {"name": "Bob"})["user"] == User.objects.get()


def test_staff_switching_an_account_off_in_between_is_not_undone(google, monkeypatch):
    admit(Backend(), {"name": "Bob"})
    keep_in_step = people._keep_in_step

    def staff_were_faster(user: User, identity: Identity) -> None:
        elsewhere(lambda: User.objects.update(is_active=False))
        keep_in_step(user, identity)

    monkeypatch.setattr(people, "_keep_in_step", staff_were_faster)
    admit(Backend(), {"name": "Robert"})

    user = User.objects.get()
    assert (user.name, user.is_active) == ("Robert", False)
