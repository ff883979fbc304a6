"""Two bands that must not know of each other, and the people who ask."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from django.apps import apps
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.db import connection
from django.utils import timezone

from accounts.models import User
from accounts.sessions import SessionStore
from accounts.signing import GOOGLE
from accounts.tokens import make_personal_token, token_of_session
from catalog.models import AudioFile, Profile, Recording, Stem
from processing.models import Job
from tests.factories import make_audio_file, make_job, make_profile, make_recording, make_user

RECORDINGS = 6
BANDS = ("kestrel", "merlin")


@dataclass(frozen=True)
class Person:
    """Somebody who asks: of which band, as what, and by which kind of token."""

    name: str
    band: str
    role: str
    with_session: bool

    @property
    def email(self) -> str:
        """Their address."""
        return f"{self.role}@{self.band}.example"


PEOPLE = (
    Person("a member", "kestrel", "member", with_session=False),
    Person("a leader", "kestrel", "leader", with_session=True),
    Person("an outsider", "merlin", "leader", with_session=True),
    Person("an outsider's script", "merlin", "member", with_session=False),
)


@dataclass(frozen=True)
class Band:
    """Everything by which a band's data can be recognised."""

    word: str
    ids: list[str]
    recordings: list[str]
    people: list[str]
    names: list[str]
    output_names: list[str]
    hashes: list[str]

    @property
    def marks(self) -> list[str]:
        """What must be in no answer to somebody of another band. All its names have its word in them."""
        return [self.word, *self.ids, *self.hashes]


def clear() -> None:
    """Empty the tables."""
    ours = [*apps.get_app_config("accounts").get_models(), *apps.get_app_config("catalog").get_models()]
    tables = ", ".join(model._meta.db_table for model in ours)
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {tables} CASCADE")


def make_bands() -> dict[str, Band]:
    """Make both bands anew."""
    clear()
    return {word: _make_band(word) for word in BANDS}


def _make_band(word: str) -> Band:
    profile = make_profile(f"{word}-band", source_folder=f"/srv/{word}/takes", strategy_name=f"{word}-strategy")
    users = []
    for role in ("leader", "member"):
        user = make_user(f"{role}@{word}.example", name=f"{role} {word}", profiles=[profile])
        user.profile_links.update(role=role)
        users.append(user)
    recordings = [
        make_recording(
            profile,
            f"{word}_{number}_größe 100%",
            display_name=f"{word} song {number}" if number % 2 else "",
            filename=f"{word} {number}.wav",
            stem_types=["vocals", "drums", "bass", "other"][: number + 1],
            lufs={"vocals": None if number == 0 else -20.0 - number},
            duration=60.0 * number,
            days_ago=number,
            made_by={f"{word}:4stems": "1"},
        )
        for number in range(RECORDINGS)
    ]
    make_audio_file(profile, f"{word} unused.wav")
    for file in AudioFile.objects.filter(profile=profile):
        file.file_hash = hashlib.sha256(f"{word} {file.filename}".encode()).hexdigest()
        file.save(update_fields=["file_hash"])
    failed = {"state": "error", "finished_at": timezone.now(), "error_text": f"{word} is broken."}
    for number, fields in enumerate([{}, failed]):
        make_job(profile, f"{word} new {number}.wav", uploader=users[0], **fields)
    return _band(word, profile, users, recordings)


def _band(word: str, profile: Profile, users: list[User], recordings: list[Recording]) -> Band:
    files = AudioFile.objects.filter(profile=profile)
    of_recordings, of_users = [str(recording.pk) for recording in recordings], [str(user.pk) for user in users]
    others = [profile, *Stem.objects.filter(recording__profile=profile), *files, *Job.objects.filter(profile=profile)]
    return Band(
        word=word,
        ids=[*of_recordings, *of_users, *(str(row.pk) for row in others)],
        recordings=of_recordings,
        people=of_users,
        names=[profile.name],
        output_names=[recording.output_name for recording in recordings],
        hashes=[file.file_hash for file in files],
    )


def token_for(person: Person) -> str:
    """Return what signs somebody in: the token of a session, or a personal one."""
    user = User.objects.get(email=person.email)
    if not person.with_session:
        return make_personal_token(user, "fuzz", timezone.now() + timedelta(days=1))[1]
    session = SessionStore()
    session[SESSION_KEY], session[BACKEND_SESSION_KEY] = str(user.pk), GOOGLE
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    token = token_of_session(session, user)
    session.save()
    return token
