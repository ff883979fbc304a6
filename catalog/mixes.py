"""How somebody left a recording, for both clients, each of which keeps documents of its own in one row.

The existing client replaces one of its three at a time. Our own page sends what it changed in the fourth, and reads the
other three too: whichever was left last is how the recording is found again.
"""

import json
import re
from typing import Any

from django.db import transaction
from django.utils import timezone

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
    """Return the three documents by the client's names, or None while it has kept nothing."""
    mix = Mix.objects.filter(user=user.pk, recording=recording).defer("practice").first()
    documents = {key: getattr(mix, column, None) for key, column in KEYS.items()}
    return documents if any(document is not None for document in documents.values()) else None


def write_mix(user: Person, recording: Recording, key: str, value: dict[str, Any]) -> dict[str, Any]:
    """Keep one document (require_storable has seen it) and return all three.

    Raises Recording.DoesNotExist when somebody has just deleted the recording.
    """
    column = KEYS[key]
    row = Mix(user_id=user.pk, recording=recording, **{column: value})
    with transaction.atomic():
        _hold(recording)
        Mix.objects.bulk_create(
            [row], update_conflicts=True, unique_fields=["user", "recording"], update_fields=[column, "updated_at"]
        )
    return read_mix(user, recording) or dict.fromkeys(KEYS)


def read_practice(user: Person, recording: Recording) -> dict[str, Any]:
    """Return what our own page kept, and the client's documents beside it.

    `is_theirs_newer` says whether the client has kept one of its documents since: that is then how the person left it.
    """
    mix = Mix.objects.filter(user=user.pk, recording=recording).first()
    theirs = {key: getattr(mix, column, None) for key, column in KEYS.items()}
    newer = (
        mix is not None
        and any(document is not None for document in theirs.values())
        and (mix.practised_at is None or mix.updated_at > mix.practised_at)
    )
    return {"practice": getattr(mix, "practice", None), "is_theirs_newer": newer, **theirs}


def merge_practice(user: Person, recording: Recording, patch: dict[str, Any]) -> dict[str, Any]:
    """Apply a merge patch (RFC 7396) to what our own page keeps, and return what read_practice does.

    Two tabs send what each of them changed, and neither undoes the other. Raises BadDocument when the outcome is too
    large, and Recording.DoesNotExist when somebody has just deleted the recording.
    """
    with transaction.atomic():
        _hold(recording)
        Mix.objects.bulk_create([Mix(user_id=user.pk, recording=recording)], ignore_conflicts=True)
        mix = Mix.objects.select_for_update().get(user=user.pk, recording=recording)
        try:
            practice = merged(mix.practice, patch)
        except RecursionError:
            raise BadDocument("It is nested too deeply.") from None
        require_storable(practice)
        # Not by save(): the other date is of the client's documents.
        Mix.objects.filter(pk=mix.pk).update(practice=practice, practised_at=timezone.now())
    return read_practice(user, recording)


def merged(document: Any, patch: Any) -> Any:
    """Return a document with a merge patch applied: members are replaced, null takes one out, objects are merged."""
    if not isinstance(patch, dict):
        return patch
    outcome = dict(document) if isinstance(document, dict) else {}
    for key, value in patch.items():
        if value is None:
            outcome.pop(key, None)
        else:
            outcome[key] = merged(outcome.get(key), value)
    return outcome


def _hold(recording: Recording) -> None:
    """Keep a recording from being deleted until the row that points to it is there."""
    Recording.objects.select_for_update(no_key=True, of=("self",)).only("pk").get(pk=recording.pk)


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
