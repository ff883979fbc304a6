"""Who may see and do what: the only module that decides. What one may not see does not exist (404).

A member of a profile listens and renames, a leader also uploads, deletes and invites, staff do everything everywhere.
"""

import contextlib
from collections.abc import Iterator
from enum import Enum
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import orjson
from django.db.models import Exists, OuterRef, QuerySet, TextChoices
from django.http import Http404

from catalog.models import AudioFile, Profile, Recording, Stem
from stemset.prepared import fetch


class Role(TextChoices):
    """What somebody is in a profile."""

    MEMBER = "member", "member"
    LEADER = "leader", "leader"


class Action(Enum):
    """What can be done in a profile: the roles that may, and how a refusal calls it."""

    LISTEN = (Role.values, "Listening")
    RENAME = (Role.values, "Renaming")
    UPLOAD = ([Role.LEADER], "Uploading")
    DELETE = ([Role.LEADER], "Deleting")
    INVITE = ([Role.LEADER], "Inviting")
    CHANGE_ROLE = ([Role.LEADER], "Changing roles")
    TAKE_OUT = ([Role.LEADER], "Taking people out")

    def __init__(self, roles: list[str], word: str) -> None:
        self.roles = roles
        self.word = word


class Person(Protocol):
    """What decides: a user of accounts, or Django's anonymous one."""

    pk: Any

    @property
    def is_active(self) -> bool: ...
    @property
    def is_staff(self) -> bool: ...


NO_PROFILE = "There is no such profile."
NO_RECORDING = "There is no such recording."
# The same rule as visible_profiles in a statement written by hand, as a column beside those of `users`: what
# open_profiles returns, as JSON.
OPEN_PROFILES = """(
    SELECT json_agg(json_build_array(profiles.id, name, source_folder, list_version, role) ORDER BY name)::text
    FROM profiles
    LEFT JOIN user_profiles ON user_profiles.profile_id = profiles.id AND user_profiles.user_id = users.id
    WHERE users.is_staff OR user_profiles.user_id IS NOT NULL)"""


class OpenProfile(NamedTuple):
    """A profile that a person may open, the version of its list, and what they are there (None for staff)."""

    id: str
    name: str
    source_folder: str
    list_version: str
    role: str | None


def visible_profiles(user: Person) -> QuerySet[Profile]:
    """Return the profiles a person may open: staff all, members those joined to them, others none."""
    if user.pk is None or not user.is_active:
        return Profile.objects.none()
    if user.is_staff:
        return Profile.objects.all()
    return Profile.objects.filter(user_links__user=user.pk)


def open_profiles(user: Person) -> list[OpenProfile]:
    """Return the profiles a person may open, by name.

    They came along with the person when the request was found to be theirs, since nearly every request wants to know
    them. For somebody who came another way they are asked for.
    """
    if user.pk is None:
        return []
    found: bytes | None = getattr(user, "open_profiles", None)
    return _profiles(_asked_anew(user) if found is None else found)


def open_profile(user: Person, name: str, action: Action = Action.LISTEN) -> OpenProfile:
    """Return the profile of that name, if the person may open it and do that there. Raises Http404."""
    return _judged(user, open_profiles(user), name, action)


def still_open_profile(user: Person, name: str, action: Action) -> OpenProfile:
    """Return the same by what is true at this moment: for changes that have waited for a lock. Raises Http404."""
    return _judged(user, _profiles(_asked_anew(user)), name, action)


def may(user: Person, name: str, action: Action) -> bool:
    """Return whether a person may do that in that profile: pages show only buttons that do something."""
    with contextlib.suppress(Http404):
        open_profile(user, name, action)
        return True
    return False


def _asked_anew(user: Person) -> bytes | str:
    statement = f"SELECT coalesce({OPEN_PROFILES}, '[]') FROM users WHERE id = %(user_id)s AND is_active"  # noqa: S608
    return next((row[0] for row in fetch(statement, {"user_id": user.pk})), "[]")


def _profiles(found: bytes | str) -> list[OpenProfile]:
    return [OpenProfile(*columns) for columns in orjson.loads(found)]


def _judged(user: Person, profiles: list[OpenProfile], name: str, action: Action) -> OpenProfile:
    profile = next((profile for profile in profiles if profile.name == name), None)
    if profile is None:
        raise Http404(NO_PROFILE)
    if not user.is_staff and profile.role not in action.roles:
        raise Http404(_refusal(action, name))
    return profile


def _refusal(action: Action, name: str) -> str:
    return f"{action.word} in {name} is for its leaders. Ask one of them, or whoever runs this site."


def profile_for(user: Person, name: str, action: Action = Action.LISTEN) -> Profile:
    """Return the profile, or raise Http404 when it does not exist or is not this person's: the two look the same."""
    profile = Profile.objects.filter(pk=open_profile(user, name, action).id).first()
    if profile is None:
        raise Http404(NO_PROFILE)
    return profile


def visible_recordings(user: Person) -> QuerySet[Recording]:
    """Return the recordings of the profiles that a person may open."""
    return Recording.objects.filter(profile__in=visible_profiles(user)).defer("metadata_json")


def visible_stems(user: Person) -> QuerySet[Stem]:
    """Return the stems of those recordings."""
    return Stem.objects.filter(recording__profile__in=visible_profiles(user))


def visible_audio_files(user: Person) -> QuerySet[AudioFile]:
    """Return the source files that those recordings were made from. Staff see also what nothing was made from."""
    if user.is_staff and user.is_active:
        return AudioFile.objects.all()
    return AudioFile.objects.filter(Exists(visible_stems(user).filter(audio_file=OuterRef("pk"))))


@contextlib.contextmanager
def gone_is_missing() -> Iterator[None]:
    """Answer 404 for a recording that somebody deleted between being looked up and being changed."""
    try:
        yield
    except Recording.DoesNotExist:
        raise Http404(NO_RECORDING) from None


def recording_for(user: Person, profile_name: str, output_name: str, action: Action = Action.LISTEN) -> Recording:
    """Return a recording with its profile and stems, or raise Http404."""
    recordings = visible_recordings(user).filter(profile__name=profile_name, output_name=output_name)
    recording = recordings.select_related("profile").prefetch_related("stems").first()
    if recording is None:
        raise Http404(NO_RECORDING)
    open_profile(user, recording.profile.name, action)
    return recording


def recording_by_id(user: Person, recording_id: UUID, action: Action = Action.LISTEN) -> Recording:
    """Return a recording with its profile, or raise Http404."""
    recording = visible_recordings(user).filter(pk=recording_id).select_related("profile").first()
    if recording is None:
        raise Http404(NO_RECORDING)
    open_profile(user, recording.profile.name, action)
    return recording
