"""How a recording's folder is called."""

import unicodedata

# File systems allow 255 bytes for a name; the suffix and other tools' additions need some of them.
MAX_BYTES = 200
HASH_DIGITS = 8


def output_name(file_stem: str, file_hash: str) -> str:
    """Return the folder's name for a source: its readable name and the first eight digits of its SHA-256."""
    base = readable_part(file_stem).encode()[:MAX_BYTES].decode(errors="ignore").strip("_")
    return f"{base or 'unnamed'}_{file_hash[:HASH_DIGITS]}"


def readable_part(file_stem: str, *, compose: bool = True) -> str:
    """Return the readable part of a folder's name, of any length.

    Every character that is not alphanumeric (in any script), `-` or `_` becomes `_`; runs of `_` are one, the ends
    lose theirs, and nothing left is called "unnamed". Composed and decomposed spellings give the same name, unless
    `compose` is off, as it was in the older version.
    """
    text = unicodedata.normalize("NFC", file_stem) if compose else file_stem
    safe = "".join(character if character.isalnum() or character == "-" else "_" for character in text)
    return "_".join(part for part in safe.split("_") if part) or "unnamed"
