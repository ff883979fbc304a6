"""System checks of the installation: folders, hosts, the development bypass, static files, the client."""

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.storage import ManifestFilesMixin, staticfiles_storage
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning

from stemset.gunicorn import listens_on_loopback


@register
def check_folders(**_kwargs: Any) -> list[CheckMessage]:
    """What the site writes must be writable; a folder that is not there yet needs a writable parent."""
    folders = {
        "STEMSET_WORK_DIR": settings.STEMSET_WORK_DIR,
        "STEMSET_MODEL_CACHE_DIR": settings.STEMSET_MODEL_CACHE_DIR,
    }
    if settings.STORAGES["default"]["BACKEND"] == "catalog.storage.LocalStorage":
        folders["MEDIA_ROOT"] = settings.MEDIA_ROOT
    return [
        Error(
            f"{name} cannot be written: {folder}",
            hint=f"Make it writable for this user, or point {name} somewhere else.",
            id="stemset.E001",
        )
        for name, folder in folders.items()
        if not _writable(Path(folder))
    ]


def _writable(folder: Path) -> bool:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


@register
def check_bypass(**_kwargs: Any) -> list[CheckMessage]:
    """Signing everybody in is for this machine only."""
    if not settings.STEMSET_BYPASS_AUTH:
        return []
    foreign = [host for host in settings.ALLOWED_HOSTS if not listens_on_loopback(f"{host}:0")]
    if not foreign:
        return []
    return [
        Error(
            f"STEMSET_BYPASS_AUTH signs everybody in, but ALLOWED_HOSTS lets others come: {', '.join(foreign)}",
            hint="Unset STEMSET_BYPASS_AUTH on every machine that others reach.",
            id="stemset.E002",
        )
    ]


# With `check --deploy` only, and when gunicorn starts: a fresh checkout has not collected anything, and needs not.
@register(deploy=True)
def check_static_files(**_kwargs: Any) -> list[CheckMessage]:
    """Without the manifest that collectstatic writes, every page is an error 500."""
    if settings.DEBUG or not isinstance(staticfiles_storage, ManifestFilesMixin):
        return []
    if staticfiles_storage.read_manifest() is not None:
        return []
    return [
        Error(
            f"The static files have not been collected: {settings.STATIC_ROOT} has no manifest",
            hint="Run: python manage.py collectstatic --no-input",
            id="stemset.E003",
        )
    ]


@register
def check_client(**_kwargs: Any) -> list[CheckMessage]:
    """A client that is to be served must be there: without its index.html every page of it is an error 404."""
    folder = settings.STEMSET_CLIENT_DIR
    if folder is None or os.access(folder / "index.html", os.R_OK):
        return []
    return [
        Error(
            f"STEMSET_CLIENT_DIR has no index.html that can be read: {folder}",
            hint="Point it at the folder that the client's build made (often called dist), or unset it.",
            id="stemset.E004",
        )
    ]


@register
def check_addresses(**_kwargs: Any) -> list[CheckMessage]:
    """Where the client's pages are says nothing without where we are: they may be at the same origin, or not."""
    if not settings.FRONTEND_URL or settings.BACKEND_URL:
        return []
    return [
        CheckWarning(
            "FRONTEND_URL is set but BACKEND_URL is not: audio and waveforms get addresses that only work if the "
            "client's pages and this server are at the same origin",
            hint="Set BACKEND_URL to the address under which browsers reach this server.",
            id="stemset.W001",
        )
    ]
