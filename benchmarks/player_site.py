"""The recordings that benchmarks/player.py plays: `python benchmarks/player_site.py MINUTES` in a site's environment.

A long one of music-like noise in four stems, encoded as Stemset does, and a sixth of that; one of impulses at known
places, as WAV and as Opus; and one of tones and beats.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from api_site import ROOT

sys.path.insert(0, str(ROOT))
from tests.listening import RATE, impulses, wav_of

STEMS = ("bass", "drums", "other", "vocals")
IMPULSES_LENGTH = 120
# A recording of tones in Hz, and of two beats a second.
TONES = {"bass": 82.41, "other": 440.0, "vocals": 1318.51}


def music(seconds: float, number: int) -> Iterator[np.ndarray]:
    """Yield blocks of ten seconds of a stem: a few tones and noise that swell, different for every stem."""
    random = np.random.default_rng(number)
    for begin in range(0, round(seconds), 10):
        time = begin + np.arange(min(10, seconds - begin) * RATE) / RATE
        tones = sum(np.sin(2 * np.pi * 55 * 2**number * k * time) / k for k in (1, 2, 3))
        swell = 0.1 * (1 + np.sin(2 * np.pi * time / (3 + number)))
        wave = swell * tones + 0.02 * random.standard_normal(len(time))
        yield np.stack([wave, np.roll(wave, 7)], axis=1).astype(np.float32)


def tone_or_beats(stem: str) -> np.ndarray:
    """Return a stem of the recording that tuning and tempo are measured with."""
    time = np.arange(IMPULSES_LENGTH * RATE) / RATE
    if stem in TONES:
        wave = 0.4 * np.sin(2 * np.pi * TONES[stem] * time)
    else:
        wave = 0.8 * np.sin(2 * np.pi * 1000 * time) * (time % 0.5 < 0.02)
    return np.stack([wave, wave], axis=1).astype(np.float32)


def add(profile: object, name: str, seconds: float, files: dict[str, tuple[str, bytes]]) -> str:
    """Make rows and put files into storage; `files` has the extension and the bytes of each stem. Returns the page."""
    from django.core.files.base import ContentFile
    from django.core.files.storage import default_storage
    from django.urls import reverse

    from processing.audio.waveform import WIDTH, render_waveform
    from tests.factories import make_recording

    recording = make_recording(profile, name, stem_types=files, duration=seconds)  # type: ignore[arg-type]
    for stem in recording.stems.all():
        extension, content = files[stem.stem_type]
        stem.audio_url = f"{profile.name}/{name}/{stem.stem_type}.{extension}"  # type: ignore[attr-defined]
        stem.file_size_bytes = len(content)
        stem.stem_gain_adjustment_db = 0
        stem.save()
        default_storage.save(stem.audio_url, ContentFile(content))
        default_storage.save(stem.waveform_url, ContentFile(render_waveform(np.ones(WIDTH), scale=1)))
    return reverse("recording", args=[profile.name, name])  # type: ignore[attr-defined]


def encoded(blocks: Iterator[np.ndarray], seconds: float) -> bytes:
    """Return a stem as Opus."""
    from tempfile import TemporaryDirectory

    from processing.audio.encode import encode

    with TemporaryDirectory() as folder:
        target = Path(folder) / "stem.opus"
        encode(blocks, target, format="opus", bitrate_kbps=192, frames=round(seconds * RATE))
        return target.read_bytes()


def main() -> None:
    """Make the recordings; print their pages and somebody's cookie."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stemset.settings")
    import django

    django.setup()
    from concurrent.futures import ProcessPoolExecutor

    from django.core.management import call_command

    from tests.factories import make_profile

    profile = make_profile("band")
    long = 60.0 * float(sys.argv[1])
    pages = {}
    for name, seconds in (("long", long), ("short", long / 6)):
        with ProcessPoolExecutor(2) as pool:
            stems = pool.map(encode_music, [seconds] * len(STEMS), range(len(STEMS)))
            files = {stem: ("opus", data) for stem, data in zip(STEMS, stems, strict=True)}
        pages[name] = add(profile, name, seconds, files)
    for extension in ("wav", "opus"):
        files = {
            stem: (extension, file_of(impulses(number, IMPULSES_LENGTH), extension))
            for number, stem in enumerate(STEMS)
        }
        pages[extension] = add(profile, f"impulses-{extension}", IMPULSES_LENGTH, files)
    files = {stem: ("wav", file_of(tone_or_beats(stem), "wav")) for stem in STEMS}
    pages["tones"] = add(profile, "tones", IMPULSES_LENGTH, files)
    call_command("make_peaks", stdout=sys.stderr)
    sys.stdout.write(json.dumps({"pages": pages, "cookie": signed_in(profile)}))


def signed_in(profile: object) -> dict[str, str]:
    """Make a member of the profile; return the cookie that they are signed in with, as Playwright takes it."""
    from django.conf import settings
    from django.test import Client

    from tests.factories import make_user

    client = Client()
    client.force_login(make_user("bob@example.org", profiles=[profile]))  # type: ignore[list-item]
    return {"name": settings.SESSION_COOKIE_NAME, "value": client.cookies[settings.SESSION_COOKIE_NAME].value}


def encode_music(seconds: float, number: int) -> bytes:
    """Return a stem of the long recording."""
    return encoded(music(seconds, number), seconds)


def file_of(wave: np.ndarray, extension: str) -> bytes:
    """Return a stem as a file."""
    if extension == "opus":
        return encoded(iter([wave]), IMPULSES_LENGTH)
    return wav_of(wave)


if __name__ == "__main__":
    main()
