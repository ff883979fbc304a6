"""The addresses of audio and waveforms as answers carry them.

A client whose pages are at another origin (FRONTEND_URL) gets them whole, since it resolves relative ones against its
own page. And since a browser sends no cookie with `<img crossorigin="anonymous">` to another origin, its waveforms
carry a key that stands for the sign-in. Audio is fetched with the cookie and has none.

Lists hold tens of thousands of these, so what does not change between them is kept, and plain names are not quoted.
"""

import hashlib
import re
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.core.signals import setting_changed
from django.utils.crypto import constant_time_compare

PREFIX = "/media/"
_plain = re.compile(r"[A-Za-z0-9_.~/-]*").fullmatch


def media_prefix() -> str:
    """Return what the address of every file begins with."""
    return _place()[0]


def media_url(path: str, *, is_waveform: bool = False) -> str:
    """Return the address of a file of the catalogue (`profile/output_name/file`), percent-encoded."""
    prefix, keyed = _place()
    url = prefix + (path if _plain(path) else _quoted(path))
    return f"{url}?key={_key(keyed, path)}" if is_waveform and keyed else url


def is_key_of(key: str, path: str) -> bool:
    """Return whether a key opens that waveform. Where no client is at another origin, none opens anything."""
    _prefix, keyed = _place()
    return keyed is not None and constant_time_compare(key, _key(keyed, path))


@lru_cache(maxsize=1)
def _place() -> tuple[str, "hashlib.blake2b | None"]:
    if not settings.CROSS_ORIGIN_CLIENT:
        return PREFIX, None
    # BLAKE2 is made to be keyed and costs a quarter of HMAC. The key is derived, so that it has the right length and
    # is good for nothing else.
    secret = hashlib.sha256(b"waveform " + settings.SECRET_KEY.encode()).digest()
    return settings.BACKEND_URL + PREFIX, hashlib.blake2b(key=secret, digest_size=16)


def _forget_place(**_kwargs: Any) -> None:
    _place.cache_clear()


setting_changed.connect(_forget_place)  # which happens in tests only


def _key(keyed: "hashlib.blake2b", path: str) -> str:
    """Return the key of a waveform: always the same, made by nobody without SECRET_KEY, good for this file only."""
    mac = keyed.copy()
    mac.update(path.encode())
    return mac.hexdigest()


def _quoted(path: str) -> str:
    folder, slash, file = path.rpartition("/")
    return f"{_quoted_folder(folder)}{slash}{quote(file)}"


@lru_cache(maxsize=8192)
def _quoted_folder(folder: str) -> str:
    return quote(folder)
