"""The recordings that benchmarks/player.py plays: `python benchmarks/player_site.py MINUTES` in a site's environment.

A long one of music-like noise in four stems, encoded as Stemset does; a short one of impulses at known places, as WAV
and as Opus; and one of tones and beats.
"""

import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

ROOT = Path(__file__).resolve().parents[1]
STEMS = ("bass", "drums", "other", "vocals")
RATE = 44_100
# Where the impulses of the stems are: every two seconds, each stem a little later than the one before.
IMPULSE_SECONDS = 2
IMPULSE_STEP = 2_205
IMPULSES_LENGTH = 60
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


def impulses(number: int) -> np.ndarray:
    """Return a stem with single samples of half of full scale."""
    wave = np.zeros((IMPULSES_LENGTH * RATE, 2), np.float32)
    wave[number * IMPULSE_STEP + RATE :: IMPULSE_SECONDS * RATE] = 0.5
    return wave


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
    """Make the recordings; print their pages and somebody's token."""
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stemset.settings")
    import django

    django.setup()
    from concurrent.futures import ProcessPoolExecutor

    from tests.factories import make_profile

    profile = make_profile("band")
    long = 60.0 * float(sys.argv[1])
    with ProcessPoolExecutor(2) as pool:
        hour = list(pool.map(encode_music, [long] * len(STEMS), range(len(STEMS))))
    pages = {"long": add(profile, "long", long, {stem: ("opus", data) for stem, data in zip(STEMS, hour, strict=True)})}
    for extension in ("wav", "opus"):
        files = {stem: (extension, file_of(impulses(number), extension)) for number, stem in enumerate(STEMS)}
        pages[extension] = add(profile, f"impulses-{extension}", IMPULSES_LENGTH, files)
    files = {stem: ("wav", file_of(tone_or_beats(stem), "wav")) for stem in STEMS}
    pages["tones"] = add(profile, "tones", IMPULSES_LENGTH, files)
    sys.stdout.write(json.dumps(pages))


def encode_music(seconds: float, number: int) -> bytes:
    """Return a stem of the long recording."""
    return encoded(music(seconds, number), seconds)


def file_of(wave: np.ndarray, extension: str) -> bytes:
    """Return a stem as a file."""
    if extension == "opus":
        return encoded(iter([wave]), IMPULSES_LENGTH)
    stream = io.BytesIO()
    soundfile.write(stream, wave, RATE, format="WAV", subtype="PCM_24")
    return stream.getvalue()


if __name__ == "__main__":
    main()
