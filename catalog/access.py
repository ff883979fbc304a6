"""Who may see what: the only module that decides. What one may not see does not exist (404)."""

from typing import Any, Protocol

from django.db.models import QuerySet
from django.http import Http404

from catalog.models import Profile, Recording


class Person(Protocol):
    """What decides: a user of accounts, or Django's anonymous one."""

    pk: Any

    @property
    def is_active(self) -> bool: ...
    @property
    def is_staff(self) -> bool: ...


def visible_profiles(user: Person) -> QuerySet[Profile]:
    """Return the profiles a person may open: staff all, members those joined to them, others none."""
    if user.pk is None or not user.is_active:
        return Profile.objects.none()
    if user.is_staff:
        return Profile.objects.all()
    return Profile.objects.filter(user_links__user=user.pk)


def profile_for(user: Person, name: str) -> Profile:
    """Return the profile, or raise Http404 when it does not exist or is not this person's: the two look the same."""
    profile = visible_profiles(user).filter(name=name).first()
    if profile is None:
        raise Http404("There is no such profile.")
    return profile


def recording_for(user: Person, profile_name: str, output_name: str) -> Recording:
    """Return a recording with its profile and stems, or raise Http404."""
    recording = (
        Recording.objects.filter(
            profile__in=visible_profiles(user), profile__name=profile_name, output_name=output_name
        )
        .select_related("profile")
        .prefetch_related("stems")
        .first()
    )
    if recording is None:
        raise Http404("There is no such recording.")
    return recording
