"""The STORAGES entry for audio: local files, or the object store that config.yaml names; and who sends the files."""

import re
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from stemset.config.schema import R2Config


class Handover(NamedTuple):
    """How the server in front of us is told which local file to send: a header with the file's place in it."""

    header: str
    # Where that server has MEDIA_ROOT, or "" when it wants the path on the disk.
    prefix: str


def handover(text: str) -> Handover | None:
    """Return what STEMSET_SENDFILE says. Raises ImproperlyConfigured when it says something else."""
    kind, _, place = text.strip().partition(":")
    match kind.lower():
        case "":
            return None
        case "x-sendfile" if not place:
            return Handover("X-Sendfile", "")
        case "x-accel-redirect" if re.fullmatch(r"(/[A-Za-z0-9._~-]+)+/?", place):
            return Handover("X-Accel-Redirect", place.rstrip("/"))
    raise ImproperlyConfigured(
        "STEMSET_SENDFILE must be x-sendfile, or x-accel-redirect:/place where /place is an internal location of the "
        f"front server, not {text!r}."
    )


def storage_settings(r2: R2Config | None, *, endpoint_url: str = "", silence_seconds: float = 30) -> dict[str, Any]:
    """Return the storage backend and its options.

    endpoint_url     replaces Cloudflare's address for any other S3-compatible store
    silence_seconds  how long the store may say nothing before a request has failed

    Raises ImproperlyConfigured when the address is none.
    """
    if endpoint_url and not _is_web_address(endpoint_url):
        raise ImproperlyConfigured(f"R2_ENDPOINT_URL must be https://host or http://host, not {endpoint_url!r}.")
    if r2 is None:
        return {"BACKEND": "catalog.storage.LocalStorage"}
    return {
        "BACKEND": "catalog.storage.ObjectStorage",
        "OPTIONS": {
            "bucket_name": r2.bucket_name,
            "access_key": r2.access_key_id,
            "secret_key": r2.secret_access_key.get_secret_value(),
            "endpoint_url": endpoint_url or f"https://{r2.account_id}.r2.cloudflarestorage.com",
            "region_name": "auto",
            "silence_seconds": silence_seconds,
        },
    }


def _is_web_address(text: str) -> bool:
    try:
        address = urlsplit(text)
        port = address.port  # a port that is not a number is found only by asking for it
    except ValueError:
        return False
    return address.scheme in {"http", "https"} and bool(address.hostname) and port != 0


def storage_origins(storage: dict[str, Any]) -> list[str]:
    """Return the origin that browsers are sent to for audio, if there is one besides our own."""
    endpoint = storage.get("OPTIONS", {}).get("endpoint_url")
    if not endpoint:
        return []
    address = urlsplit(endpoint)
    return [f"{address.scheme}://{address.netloc}"]
