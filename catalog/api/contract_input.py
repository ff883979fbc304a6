"""What the existing client sends."""

from typing import Any

from rest_framework import serializers

from catalog import mixes


class Text(serializers.CharField):
    """Text and nothing but: DRF's own field takes numbers for text."""

    def to_internal_value(self, data: Any) -> str:
        """Return the text. Raises ValidationError for anything else."""
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class DisplayName(serializers.Serializer):
    """A new name."""

    display_name = Text(max_length=500, allow_blank=True, help_text="Empty shows the folder's name.")


class MixChange(serializers.Serializer):
    """One of the three documents of a mix."""

    key = serializers.ChoiceField(choices=list(mixes.KEYS))
    value = serializers.DictField(help_text=f"Any object of at most {mixes.MAX_BYTES} bytes.")

    def validate_value(self, value: dict[str, object]) -> dict[str, object]:
        """Refuse what cannot be kept."""
        try:
            mixes.require_storable(value)
        except mixes.BadDocument as mistake:
            raise serializers.ValidationError(str(mistake)) from None
        return value
