"""Reading back what this version wrote into a metadata.json of its own: a recording made here comes back as it was."""

import json
import math
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, ValidationError

from catalog.importing.items import Draft, SourceClaim
from catalog.importing.state import TRUST
from catalog.legacy.metadata import Metadata
from catalog.legacy.rendering import RESTORE_KEY


def _text(value: str) -> str:
    if "\0" in value:
        raise ValueError("has a NUL")
    value.encode()
    return value


def _storable(value: dict[str, Any]) -> dict[str, Any]:
    _text(json.dumps(value, allow_nan=False, ensure_ascii=False))
    return value


def _of_our_time(value: datetime) -> datetime:
    if not 1970 <= value.year <= 2200:
        raise ValueError("is no time of a recording")
    return value


Text = Annotated[str, AfterValidator(_text)]


class _Source(BaseModel):
    filename: Text = Field(max_length=1024)
    file_hash: str = Field(pattern=r"^[0-9a-f]{64}$")
    hash_provenance: str
    storage_url: Text = ""
    file_size_bytes: int = Field(ge=0, lt=1 << 63)
    duration_seconds: float = Field(ge=0, lt=math.inf)


class _MadeHere(BaseModel):
    created_at: Annotated[AwareDatetime, AfterValidator(_of_our_time)]
    strategy_name: Text = Field("", max_length=200)
    made_by: Annotated[dict[str, Any], AfterValidator(_storable)] = {}
    source: _Source


def restored(metadata: Metadata, draft: Draft) -> bool:
    """Take over what a recording made by this version says of itself; return whether it does, and readably."""
    try:
        made = _MadeHere.model_validate(metadata.document.get(RESTORE_KEY))
    except ValidationError:
        return False
    if made.source.hash_provenance not in TRUST:
        return False
    draft.created_at = made.created_at
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
