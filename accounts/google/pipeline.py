"""Our step of the library's pipeline: it has found out who somebody is, here it is decided whether they come in."""

from typing import Any

from django.db import IntegrityError

from accounts.google.identity import identity_of
from accounts.google.people import person_for


def admit(backend: Any, response: dict[str, Any], **_kwargs: Any) -> dict[str, Any]:
    """Return the person of this Google account. Raises Refused."""
    identity = identity_of(backend.id_token or {}, response)
    try:
        link = person_for(identity)
    except IntegrityError:  # they signed in in two tabs at once, or staff invited them this moment
        link = person_for(identity)
    return {"user": link.user, "social": link, "is_new": False}
