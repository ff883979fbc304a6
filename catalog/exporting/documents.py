"""The text of a recording's metadata.json and of a profile's .processed_hashes.json."""

from dataclasses import asdict
from datetime import UTC
from typing import Any

from catalog.exporting.snapshot import ProfileState, RecordingState
from catalog.legacy.rendering import RESTORE_KEY, render_index, render_metadata


def metadata_text(state: RecordingState) -> str:
    """Return what a recording's metadata.json has to say."""
    return render_metadata(
        state.metadata_json,
        state.display_name,
        state.stems,
        # The older version's own recordings are given back as they were.
        {RESTORE_KEY: restore_block(state)} if state.made_here else None,
        # What this version made again has other stems; the files of the former ones are gone.
        complete=state.made_here,
    )


def restore_block(state: RecordingState) -> dict[str, Any]:
    """Return what the catalogue knows of a recording made here and the older version had no place for.

    With it the media folder alone is enough to restore what people see.
    """
    return {
        "created_at": state.created_at.astimezone(UTC).isoformat(),
        "strategy_name": state.strategy_name,
        "made_by": state.made_by,
        "source": asdict(state.source) if state.source else None,
    }


def index_text(profile: ProfileState, new_hashes: list[tuple[str, str]]) -> str | None:
    """Return the profile's index, or None when there is nothing to say."""
    if not profile.index_json and not new_hashes:
        return None
    return render_index(profile.index_json, new_hashes)
