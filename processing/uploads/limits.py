"""What an upload may be, judged before work is spent on it."""

import shutil
from pathlib import Path, PurePosixPath

from django.conf import settings
from django.db.models import Sum

from catalog.models import AudioFile, Profile, Stem
from processing.jobs.sources import INPUTS
from processing.models import Job
from processing.scanner import EXTENSIONS
from processing.uploads.refusals import NO_ROOM, UploadRefused
from stemset.config.schema import ProfileConfig

MIB, GIB = 1024**2, 1024**3
# Of the existing client's way, which has no second try; ours has a setting.
CONTRACT_MAX_BYTES = 150 * MIB
# What the disk must keep free besides, for everything else that happens on it.
SPARE_BYTES = 256 * MIB
NAME_LENGTH = 255
KINDS = ", ".join(sorted(suffix.lstrip(".").upper() for suffix in EXTENSIONS))


def max_bytes() -> int:
    """Return how large a file may be that comes by one of our own ways."""
    return int(settings.STEMSET_UPLOAD_MAX_MIB) * MIB


def contract_max_bytes() -> int:
    """Return how large a file may be that the existing client sends."""
    return min(CONTRACT_MAX_BYTES, max_bytes())


def require_configured(profile: Profile) -> ProfileConfig:
    """Return what config.yaml says of a profile. Raises UploadRefused when it no longer has it."""
    config: ProfileConfig | None = settings.STEMSET.profile(profile.name)
    if config is None:
        raise UploadRefused(409, f"Nothing can be added to {profile.name}: it is no longer in the configuration.")
    return config


def require_name(name: str) -> str:
    """Return a file's name as it is kept: no folders, nothing that cannot be printed. Raises UploadRefused."""
    plain = name.replace("\\", "/").rpartition("/")[2]
    plain = "".join(character for character in plain if character.isprintable()).strip()
    suffix = PurePosixPath(plain).suffix
    if suffix.lower() not in EXTENSIONS:
        what = f"“{plain}” is not a recording" if plain else "The file has no name"
        raise UploadRefused(415, f"{what}. Files of these kinds can be uploaded: {KINDS}.")
    return plain if len(plain) <= NAME_LENGTH else plain[: NAME_LENGTH - len(suffix)] + suffix


def require_size(size: int, limit: int) -> None:
    """Raise UploadRefused for a file of so many bytes that is empty or too large."""
    if size <= 0:
        raise UploadRefused(400, "The file is empty (0 bytes): nothing was recorded, or the copy failed.")
    if size > limit:
        raise UploadRefused(413, f"The file is too large: up to {limit // MIB} MiB can be uploaded here.")


def require_duration(seconds: float | None) -> None:
    """Raise UploadRefused for what plays for too long. None, which some formats say, passes."""
    hours = settings.STEMSET_UPLOAD_MAX_HOURS
    if seconds is not None and seconds > hours * 3600:
        raise UploadRefused(422, f"The recording is too long: up to {hours} hours can be uploaded. Cut it into parts.")


def require_disk(folder: Path, size: int) -> None:
    """Raise UploadRefused when the disk has no room for so many bytes."""
    if shutil.disk_usage(folder).free < size + SPARE_BYTES:
        raise UploadRefused(507, NO_ROOM, may_pass=True)


def require_quota(profile: Profile, more: int) -> None:
    """Raise UploadRefused when a profile has a quota and so many bytes more would exceed it."""
    gib = require_configured(profile).quota_gib
    if gib is None or used_bytes(profile) + more <= gib * GIB:
        return
    raise UploadRefused(
        507,
        f"The {gib:g} GiB of {profile.name} are used up. Delete recordings that nobody needs, or ask whoever runs "
        "this site for more.",
        may_pass=True,
    )


def used_bytes(profile: Profile) -> int:
    """Return how much the catalogue knows of a profile in storage: uploaded sources, each once, and stems."""
    ours = f"{INPUTS}/{profile.name}/"
    sources = dict(AudioFile.objects.filter(storage_url__startswith=ours).values_list("storage_url", "file_size_bytes"))
    jobs = Job.objects.filter(profile=profile, source__startswith=ours).order_by()
    sources |= dict(jobs.values_list("source", "file_size_bytes"))
    stems = Stem.objects.filter(recording__profile=profile).aggregate(total=Sum("file_size_bytes"))["total"]
    return sum(sources.values()) + (stems or 0)
