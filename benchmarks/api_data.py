"""The band of benchmarks/api.py: profiles of several sizes, members who may open them, and a few real files.

    STEMSET_VAR_DIR=… MEDIA_ROOT=… python benchmarks/api_data.py '{"thursday": 100, …}'

Writes into the database that the environment names, whose tables must be there and empty, and prints as JSON what the
benchmark has to know.
"""

import hashlib
import json
import os
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
STEMS = ("bass", "drums", "other", "vocals")
MEDIA_BYTES = 150_000
# Of how many recordings the files are really there.
RECORDINGS_WITH_FILES = 8
# So many that none of them comes near the number of requests that one person may make in a minute.
PEOPLE = 200
WHAT = ("Rehearsal", "Übungsraum", "Café Noir live", "STE-004", "Jam in E", "Soundcheck", "Zugabe №", "Set list")
DISPLAYED = ("", "", "Blue Monday (fast)", "Für Élise, with drums", 'the "good" take', "Ночной поезд", "Take the A")


def seed(sizes: dict[str, int], media: Path) -> dict[str, Any]:
    """Write everything; return the members' tokens and the paths of the files that are there."""
    from accounts.models import User, UserProfile
    from catalog.models import Profile

    people = [User.objects.create_user(f"member{n}@example.org", name="Bench", is_invited=True) for n in range(PEOPLE)]
    generator = random.Random(1)
    files = []
    for name, recordings in sizes.items():
        folder = f"/Volumes/recorder/{name}"
        profile = Profile.objects.create(name=name, source_folder=folder, strategy_name="four")
        UserProfile.objects.bulk_create(UserProfile(user=user, profile=profile) for user in people)
        paths = write_rows(profile, list(made_up_recordings(generator, name, recordings)))
        files += paths if not files else []
    for number, path in enumerate(files):
        target = media / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(random.Random(number).randbytes(MEDIA_BYTES))
    return {"tokens": [signed_in(user) for user in people], "files": files}


def made_up_recordings(generator: random.Random, profile: str, recordings: int) -> Iterator[tuple[str, str, datetime]]:
    """Yield the folder's name, the name people gave and the time of each recording; no two times are the same."""
    from catalog.names import output_name

    for number in range(recordings):
        when = datetime(2019, 1, 3, 19, tzinfo=UTC) + timedelta(hours=11 * number, microseconds=number * 137)
        digest = hashlib.sha256(f"{profile} {number}".encode()).hexdigest()
        stem = f"{generator.choice(WHAT)} {when:%Y-%m-%d} take {number % 7 + 1}"
        yield output_name(stem, digest), generator.choice(DISPLAYED), when


def write_rows(profile: Any, recordings: list[tuple[str, str, datetime]]) -> list[str]:
    """Write the rows of a profile's recordings; return where the first ones' audio belongs."""
    from catalog.models import AudioFile, Recording, Stem

    generator = random.Random(profile.name)
    rows, sources, stems = [], [], []
    for name, display_name, when in recordings:
        seconds = round(generator.uniform(30, 900), 3)
        sources.append(
            AudioFile(
                profile=profile,
                filename=f"{name}.wav",
                file_hash=hashlib.sha256(f"{profile.name}/{name}".encode()).hexdigest(),
                storage_url=f"{profile.source_folder}/{name}.wav",
                file_size_bytes=int(seconds * 176_400),
                duration_seconds=seconds,
            )
        )
        rows.append(
            Recording(
                profile=profile, output_name=name, display_name=display_name, strategy_name="four", created_at=when
            )
        )
        for stem in STEMS:
            silent = generator.random() < 0.02
            stems.append(
                Stem(
                    recording=rows[-1],
                    audio_file=sources[-1],
                    stem_type=stem,
                    measured_lufs=None if silent else generator.uniform(-40, -12),
                    peak_amplitude=0 if silent else generator.uniform(0.05, 1),
                    stem_gain_adjustment_db=0 if silent else generator.uniform(-12, 6.02),
                    audio_url=f"{profile.name}/{name}/{stem}.opus",
                    waveform_url=f"{profile.name}/{name}/{stem}_waveform.png",
                    file_size_bytes=MEDIA_BYTES,
                    duration_seconds=seconds,
                )
            )
    for model, made in ((AudioFile, sources), (Recording, rows), (Stem, stems)):
        model.objects.bulk_create(made, batch_size=1000)
    return [stem.audio_url for stem in stems[: RECORDINGS_WITH_FILES * len(STEMS)]]


def signed_in(user: Any) -> str:
    """Sign a person in as the site does; return the token of the session."""
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

    from accounts.sessions import SessionStore
    from accounts.tokens import token_of_session

    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    token = token_of_session(session, user)
    session.save()
    return token


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stemset.settings")
    os.environ.setdefault("DATABASE_POOL", "false")
    import django

    django.setup()
    from django.conf import settings
    from django.db import connection

    print(json.dumps(seed(json.loads(sys.argv[1]), Path(settings.MEDIA_ROOT))))
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
