"""How somebody left a recording: read and written one document at a time, so that two tabs do not undo each other."""

import json
import re
from typing import Any

from django.db import transaction

from catalog.access import Person
from catalog.models import Mix, Recording

# The client's names of the documents, and their columns.
KEYS = {"playbackPosition": "playback_position", "stems": "stems", "effects": "effects"}
MAX_BYTES = 64 * 1024
# As JSON writes it; behind an odd number of backslashes it is the text of an escape and nothing else.
_A_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class BadDocument(ValueError):
    """What cannot be kept; the message says why."""


def read_mix(user: Person, recording: Recording) -> dict[str, Any] | None:
    """Return the three documents by the client's names, or None while there is nothing."""
    mix = Mix.objects.filter(user=user.pk, recording=recording).first()
    return None if mix is None else {key: getattr(mix, column) for key, column in KEYS.items()}


def write_mix(user: Person, recording: Recording, key: str, value: dict[str, Any]) -> dict[str, Any]:
    """Keep one document (require_storable has seen it) and return all three.

    Raises Recording.DoesNotExist when somebody has just deleted the recording.
    """
    column = KEYS[key]
    row = Mix(user_id=user.pk, recording=recording, **{column: value})
    with transaction.atomic():
        # Held, so that it stays until the row is there.
        Recording.objects.select_for_update(no_key=True, of=("self",)).only("pk").get(pk=recording.pk)
        Mix.objects.bulk_create(
            [row], update_conflicts=True, unique_fields=["user", "recording"], update_fields=[column, "updated_at"]
        )
    return read_mix(user, recording) or dict.fromkeys(KEYS)


def require_storable(value: dict[str, Any]) -> None:
    """Raise BadDocument for what the database cannot hold or should not."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):  # infinities, halves of characters, endless nesting
        raise BadDocument("It has a number or a text that cannot be kept.") from None
    if _A_NUL.search(text):
        raise BadDocument("It has a NUL character in it, which cannot be kept.")
    if len(text) > MAX_BYTES:
        raise BadDocument(f"It has {len(text)} bytes; at most {MAX_BYTES} are kept.")
