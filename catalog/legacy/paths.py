"""Which file of a folder an entry of metadata.json means.

URLs of old stores are file names, API paths of former servers, absolute paths of former machines. None is followed:
only their last part is used, and only to pick from what the folder itself lists.
"""

import unicodedata
from collections.abc import Collection, Iterable
from urllib.parse import unquote

from catalog.legacy import AUDIO_EXTENSIONS, WAVEFORM_SUFFIX


def is_plain(url: str) -> bool:
    """Return whether a URL is just the name of a file in the same folder."""
    return bool(url) and "/" not in url and "\\" not in url and url not in {".", ".."} and "\0" not in url


def last_part(url: str) -> str:
    """Return what would be the file's name."""
    return url.replace("\\", "/").partition("?")[0].rpartition("/")[2]


def spellings(url: str) -> list[str]:
    """Return the file names that a URL may mean, best first."""
    return [url, last_part(url), unquote(last_part(url))] if last_part(url) else []


def audio_names(stem: str, url: str) -> list[str]:
    """Return what a stem's audio file may be called, best first; the oldest entries name none.

    A path that leads elsewhere says less than the stem's own name.
    """
    usual = [stem + extension for extension in AUDIO_EXTENSIONS]
    return [*spellings(url), *usual] if is_plain(url) else [*usual, *spellings(url)]


def waveform_names(stem: str, url: str, audio: str) -> list[str]:
    """Return what a stem's waveform may be called. An API path's last part is just "waveform"."""
    named = spellings(url) if url.endswith(".png") else []
    return [*named, stem + WAVEFORM_SUFFIX, audio.rpartition(".")[0] + WAVEFORM_SUFFIX]


def find(names: Iterable[str], files: Collection[str]) -> str | None:
    """Return the first of these names that is there, or else one that differs only in case or Unicode composition."""
    names = list(names)
    for name in names:
        if name in files:
            return name
    alike: dict[str, list[str]] = {}
    for file in files:
        alike.setdefault(folded(file), []).append(file)
    for name in names:
        found = alike.get(folded(name), [])
        if len(found) == 1:
            return found[0]
    return None


def folded(name: str) -> str:
    """Return a name as file systems see it that ignore case and Unicode composition."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def stem_of_file(file: str) -> str | None:
    """Return the stem that an audio file without any metadata is, or None when it is no stem."""
    name, dot, extension = file.rpartition(".")
    if not name or dot + extension.lower() not in AUDIO_EXTENSIONS or name == "source":
        return None
    return name
