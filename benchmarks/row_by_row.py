"""The baseline of benchmarks/cutover.py: an importer that works row by row, as the older version's did.

    MEDIA_ROOT=… STEMSET_CONFIG=… python benchmarks/row_by_row.py [--read-first]

One process, one folder after the other: read metadata.json, open each stem's audio, ask whether each row is there,
write it, each in a transaction of its own. A second run finds a recording in the database and goes on to the next
folder, either at once or, with --read-first, after having read the folder's files.
"""

import hashlib
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
AUDIO_EXTENSIONS = {".wav", ".mp3", ".m4a", ".flac", ".aif", ".aiff"}


@dataclass
class Found:
    """What lies in a recording's folder: what metadata.json says of each stem, and the lengths of their audio."""

    display_name: str
    stems: dict[str, dict[str, Any]]
    seconds: dict[str, float]


def set_up_django() -> None:
    """Start Django as manage.py does."""
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stemset.settings")
    os.environ.setdefault("DATABASE_POOL", "false")
    import django

    django.setup()


def import_store(media: Path, profiles: Any, *, read_first: bool) -> None:
    """Bring every profile of the configuration into the database."""
    from catalog.models import Profile

    known = source_hashes(media.parent / "input")
    for config in profiles:
        profile, _created = Profile.objects.get_or_create(
            name=config.name, defaults={"source_folder": config.source_folder, "strategy_name": config.strategy}
        )
        if (media / config.name).is_dir():
            for folder in (media / config.name).iterdir():
                if folder.is_dir() and (folder / "metadata.json").exists():
                    import_folder(profile, folder, known, read_first=read_first)


def source_hashes(folder: Path) -> dict[str, Path]:
    """Hash the sources that are on this machine."""
    found = {}
    for path in folder.glob("*/*"):
        if path.suffix.lower() in AUDIO_EXTENSIONS:
            with path.open("rb") as stream:
                found[hashlib.file_digest(stream, "sha256").hexdigest()] = path
    return found


def read_folder(folder: Path) -> Found:
    """Read metadata.json and the header of each stem's audio that is there."""
    document = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
    stems = {stem: fields for stem, fields in document["stems"].items() if (folder / fields["stem_url"]).exists()}
    seconds = {stem: seconds_of(folder / fields["stem_url"]) for stem, fields in stems.items()}
    return Found(document["display_name"], stems, seconds)


def seconds_of(path: Path) -> float:
    """Return the length of an audio file."""
    import soundfile

    return float(soundfile.info(path).duration)


def import_folder(profile: Any, folder: Path, known: dict[str, Path], *, read_first: bool) -> None:
    """Write one recording, unless it is there."""
    from catalog.models import Recording, Stem

    found = read_folder(folder) if read_first else None
    if Recording.objects.filter(profile=profile, output_name=folder.name).exists():
        return
    found = found or read_folder(folder)
    if not found.stems:
        return
    audio_file = source_of(profile, folder, found, known)
    recording, _created = Recording.objects.get_or_create(
        profile=profile, output_name=folder.name, defaults={"display_name": found.display_name}
    )
    for stem_type, fields in found.stems.items():
        if Stem.objects.filter(recording=recording, stem_type=stem_type).exists():
            continue
        Stem.objects.get_or_create(
            recording=recording,
            stem_type=stem_type,
            defaults={
                "audio_file": audio_file,
                "measured_lufs": fields["measured_lufs"],
                "peak_amplitude": fields["peak_amplitude"],
                "stem_gain_adjustment_db": fields["stem_gain_adjustment_db"],
                "audio_url": f"{profile.name}/{folder.name}/{fields['stem_url']}",
                "waveform_url": f"{profile.name}/{folder.name}/{fields['waveform_url']}",
                "file_size_bytes": (folder / fields["stem_url"]).stat().st_size,
                "duration_seconds": found.seconds[stem_type],
            },
        )


def source_of(profile: Any, folder: Path, found: Found, known: dict[str, Path]) -> Any:
    """Return the row of the source file, by the digits in the folder's name or else made up from that name."""
    from catalog.models import AudioFile

    suffix = folder.name.rsplit("_", 1)[-1]
    file_hash = next((digest for digest in known if digest.startswith(suffix)), "")
    if file_hash:
        path = known[file_hash]
        filename, size, provenance = path.name, path.stat().st_size, AudioFile.HashProvenance.CONTENT
        seconds = seconds_of(path)
    else:
        file_hash = hashlib.sha256(folder.name.encode()).hexdigest()
        filename, size, provenance = f"{folder.name}.wav", 0, AudioFile.HashProvenance.PLACEHOLDER
        seconds = next(iter(found.seconds.values()))
    row, _created = AudioFile.objects.get_or_create(
        file_hash=file_hash,
        defaults={
            "profile": profile,
            "filename": filename,
            "hash_provenance": provenance,
            "storage_url": f"inputs/{profile.name}/{filename}",
            "file_size_bytes": size,
            "duration_seconds": seconds,
        },
    )
    return row


if __name__ == "__main__":
    set_up_django()
    from django.conf import settings

    import_store(Path(settings.MEDIA_ROOT), settings.STEMSET.profiles, read_first="--read-first" in sys.argv)
