"""Who is in a profile, and leaders' changes to that.

Each change is one transaction, which asks catalog.access whether it may be made when it has the locks that it needs:
somebody may have been demoted while it waited. A person's own row is locked before rows of profiles, so that nobody
waits in a circle.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.http import Http404

from accounts.admission import is_admitted, is_allowed_address
from accounts.models import User, UserProfile
from catalog.access import Action, Role, still_open_profile
from catalog.models import Profile

NO_MEMBER = "There is no such member."
logger = logging.getLogger(__name__)


class LastLeader(Exception):
    """A profile would be left with nobody here who may upload and invite."""


@dataclass(frozen=True)
class Member:
    """Somebody in a profile, as its other members see them."""

    id: UUID
    email: str
    name: str
    role: str
    joined_at: datetime
    has_been_here: bool


def members_of(profile: Profile) -> list[Member]:
    """Return who is in a profile, in one statement."""
    links = UserProfile.objects.filter(profile=profile).select_related("user").order_by("user__email")
    return [_member(link) for link in links]


@transaction.atomic
def invite(by: User, profile: Profile, email: str, role: str = Role.MEMBER) -> tuple[Member, bool]:
    """Join somebody to a profile, and let them into the site if need be. Return them, and whether they are new in it.

    Who is in it already keeps their role. Raises Http404.
    """
    user, created = User.objects.get_or_create(email=email.strip().lower(), defaults={"password": make_password(None)})
    user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    UserProfile.objects.select_for_update(no_key=True).filter(profile=profile, user=by).first()
    still_open_profile(by, profile.name, Action.INVITE)
    if not (user.is_staff or user.is_invited or is_allowed_address(user.email)):
        user.is_invited = True
        user.invited_by = None if by.is_staff else by
        user.save(update_fields=["is_invited", "invited_by"])
        if not created and not by.is_staff:
            # Somebody who was kept out comes back to this profile, and not to those of other leaders.
            user.profile_links.exclude(profile=profile).delete()
    link, is_new = UserProfile.objects.get_or_create(user=user, profile=profile, defaults={"role": role})
    if is_new:
        link.refresh_from_db(fields=["created_at"])
        logger.info("%s invited %s to %s as %s", by.email, user.email, profile.name, role)
    return _member(link), is_new


@transaction.atomic
def change_role(by: User, profile: Profile, user_id: UUID, role: str) -> Member:
    """Make somebody in a profile a member or a leader. Raises Http404 and LastLeader."""
    link, others = _locked(by, profile, user_id, Action.CHANGE_ROLE)
    if role != Role.LEADER:
        _leave_a_leader(by, link, others)
    link.role = role
    link.save(update_fields=["role"])
    logger.info("%s made %s a %s of %s", by.email, link.user.email, role, profile.name)
    return _member(link)


@transaction.atomic
def remove(by: User, profile: Profile, user_id: UUID) -> None:
    """Take somebody out of a profile; their account stays. Raises Http404 and LastLeader."""
    link, others = _locked(by, profile, user_id, Action.TAKE_OUT)
    _leave_a_leader(by, link, others)
    link.delete()
    if link.user.invited_by_id is not None and not link.user.profile_links.exists():
        # Let in by a leader for this alone: whoever invites them next decides anew.
        User.objects.filter(pk=link.user_id).update(is_invited=False, invited_by=None)
    logger.info("%s took %s out of %s", by.email, link.user.email, profile.name)


def _locked(by: User, profile: Profile, user_id: UUID, action: Action) -> tuple[UserProfile, list[UserProfile]]:
    """Return somebody's link to a profile, and those of the others, if `by` may do that there. Raises Http404.

    All of them wait for this transaction: two leaders may remove each other.
    """
    User.objects.select_for_update(no_key=True).filter(pk=user_id).values_list("pk").first()
    links = UserProfile.objects.filter(profile=profile).select_related("user").order_by("pk")
    others = list(links.select_for_update(of=("self",)))
    still_open_profile(by, profile.name, action)
    link = next((link for link in others if link.user_id == user_id), None)
    if link is None:
        raise Http404(NO_MEMBER)
    others.remove(link)
    return link, others


def _leave_a_leader(by: User, link: UserProfile, others: list[UserProfile]) -> None:
    """Raise LastLeader if a leader goes who is the last one here. Whom `by` takes out or demotes, leaves `by` behind.

    Staff may do it. Who was invited and has not come yet, or may not come any more, leads nothing.
    """
    if by.is_staff or link.role != Role.LEADER or link.user_id != by.pk:
        return
    if not any(other.role == Role.LEADER and is_admitted(other.user) and _has_been_here(other) for other in others):
        raise LastLeader


def _has_been_here(link: UserProfile) -> bool:
    """Return whether somebody has signed in since they were joined to the profile."""
    return link.user.last_login is not None and link.user.last_login >= link.created_at


def _member(link: UserProfile) -> Member:
    """Return somebody in words. Until they have been here as a member, they are no more than the address invited.

    Otherwise an invitation would tell whether an address has an account here, and whose it is.
    """
    user = link.user
    has_been_here = _has_been_here(link)
    name = user.name if has_been_here else ""
    return Member(user.pk, user.email, name, link.role, link.created_at, has_been_here)
