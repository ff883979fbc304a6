"""Rows of the catalogue for tests: plain functions with defaults that make a believable band."""

import hashlib
import itertools
from collections.abc import Iterable
from datetime import timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from accounts.models import User, UserProfile
from catalog.models import AudioFile, Profile, Recording, Stem
from processing.audio import SAMPLE_RATE
from processing.audio.encode import encode
from processing.audio.waveform import WIDTH, render_waveform
from processing.models import Job

STEM_TYPES = ("vocals", "drums", "bass", "other")
LUFS = {"vocals": -21.4, "drums": -18.2, "bass": -24.9, "other": -27.3}
_numbers = itertools.count(1)


def make_user(email: str, *, name: str = "", profiles: Iterable[Profile] = (), **fields: Any) -> User:
    """A person who may open the given profiles; the password is "secret"."""
    user = User.objects.create_user(email, "secret", name=name, **{"is_invited": True, **fields})
    UserProfile.objects.bulk_create(UserProfile(user=user, profile=profile) for profile in profiles)
    return user


def make_profile(name: str = "demo-band", **fields: Any) -> Profile:
    """A profile."""
    return Profile.objects.create(name=name, **{"source_folder": f"/in/{name}", "strategy_name": "four", **fields})


def make_audio_file(profile: Profile, filename: str = "take.wav", **fields: Any) -> AudioFile:
    """A source file; no two have the same content."""
    defaults = {
        "file_hash": hashlib.sha256(f"{filename} {next(_numbers)}".encode()).hexdigest(),
        "storage_url": f"{profile.source_folder}/{filename}",
        "file_size_bytes": 31_752_044,
        "duration_seconds": 180.0,
    }
    return AudioFile.objects.create(profile=profile, filename=filename, **{**defaults, **fields})


def make_recording(
    profile: Profile,
    output_name: str = "",
    *,
    filename: str = "",
    stem_types: Iterable[str] = STEM_TYPES,
    duration: float = 180.0,
    lufs: dict[str, float | None] | None = None,
    days_ago: float = 0,
    **fields: Any,
) -> Recording:
    """A recording with its source file and its stems; write_files puts their files into storage."""
    output_name = output_name or f"take_{next(_numbers):04}"
    source = make_audio_file(profile, filename or f"{output_name}.wav", duration_seconds=duration)
    defaults = {
        "strategy_name": profile.strategy_name,
        "made_by": {"dsp:4stems": "1"},
        "created_at": timezone.now() - timedelta(days=days_ago),
    }
    recording = Recording.objects.create(profile=profile, output_name=output_name, **{**defaults, **fields})
    loudness = {**LUFS, **(lufs or {})}
    Stem.objects.bulk_create(
        Stem(
            recording=recording,
            audio_file=source,
            stem_type=stem_type,
            measured_lufs=loudness.get(stem_type, -30.0),
            peak_amplitude=0.5,
            stem_gain_adjustment_db=-1.6,
            audio_url=f"{profile.name}/{output_name}/{stem_type}.opus",
            waveform_url=f"{profile.name}/{output_name}/{stem_type}_waveform.png",
            file_size_bytes=4_320_000,
            duration_seconds=duration,
        )
        for stem_type in stem_types
    )
    return recording


def make_job(profile: Profile, filename: str = "take.wav", **fields: Any) -> Job:
    """A job that waits, for a source that is nowhere; without a message to any worker."""
    number = next(_numbers)
    defaults = {
        "strategy_name": profile.strategy_name,
        "origin": Job.Origin.UPLOAD,
        "file_hash": hashlib.sha256(f"{filename} {number}".encode()).hexdigest(),
        "file_size_bytes": 31_752_044,
        "source": f"{profile.source_folder}/{filename}",
        "output_name": f"{Path(filename).stem}_{number:08x}",
        "queue": "cpu",
    }
    return Job.objects.create(profile=profile, filename=filename, **{**defaults, **fields})


def write_files(recording: Recording) -> None:
    """Put real audio (a tone that swells, in Opus) and a real waveform of every stem into storage."""
    for place, stem in enumerate(recording.stems.order_by("stem_type")):
        frames = round(stem.duration_seconds * SAMPLE_RATE)
        default_storage.save(stem.audio_url, ContentFile(_tone(220.0 * (place + 1), frames)))
        swell = np.abs(np.sin(np.linspace(0, 9 * (place + 1), WIDTH)))
        default_storage.save(stem.waveform_url, ContentFile(render_waveform(swell, scale=1.2)))


@cache
def _tone(hertz: float, frames: int) -> bytes:
    wave = 0.2 * np.sin(2 * np.pi * hertz * np.arange(frames) / SAMPLE_RATE)
    block = np.stack([wave, wave], axis=1).astype(np.float32)
    with TemporaryDirectory() as folder:
        target = Path(folder) / "tone.opus"
        encode([block], target, format="opus", bitrate_kbps=160, frames=frames)
        return target.read_bytes()
