"""Reading back what this version wrote into a metadata.json of its own: a recording made here comes back as it was."""

import math
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from catalog.importing.items import Draft, SourceClaim
from catalog.importing.state import TRUST
from catalog.legacy.metadata import Metadata
from catalog.legacy.rendering import RESTORE_KEY


class _Source(BaseModel):
    filename: str = Field(max_length=1024)
    file_hash: str = Field(pattern=r"^[0-9a-f]{64}$")
    hash_provenance: str
    storage_url: str = ""
    file_size_bytes: int = Field(ge=0)
    duration_seconds: float = Field(ge=0, lt=math.inf)


class _MadeHere(BaseModel):
    created_at: AwareDatetime
    strategy_name: str = Field("", max_length=200)
    made_by: dict[str, Any] = {}
    source: _Source


def restored(metadata: Metadata, draft: Draft) -> bool:
    """Take over what a recording made by this version says of itself; return whether it does, and readably."""
    try:
        made = _MadeHere.model_validate(metadata.document.get(RESTORE_KEY))
    except ValidationError:
        return False
    if made.source.hash_provenance not in TRUST or "\0" in made.source.filename + made.source.storage_url:
        return False
    created_at: datetime = made.created_at
    draft.created_at = created_at
    draft.strategy_name = made.strategy_name
    draft.made_by = made.made_by
    draft.imported = False
    draft.source = SourceClaim(
        base_name=made.source.filename,
        suffix="",
        file_hash=made.source.file_hash,
        provenance=made.source.hash_provenance,
        filename=made.source.filename,
        storage_url=made.source.storage_url,
        size=made.source.file_size_bytes,
        duration=made.source.duration_seconds,
    )
    return True
