"""The shapes of the API: what its answers look like and what it accepts.

Those called Contract… describe answers for the schema only; catalog.api.listing writes them without objects.
"""

from pathlib import PureWindowsPath

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from catalog.media_urls import media_url
from catalog.models import AudioFile, Recording, Stem

# Percent-encoded; without scheme and host, unless the client's pages are at another origin.
URL = {"type": "string", "format": "uri-reference"}

# --- our own API ------------------------------------------------------------------------------------------------------


class StemSerializer(serializers.ModelSerializer):
    """One separated track of a recording."""

    recording = serializers.UUIDField(source="recording_id", help_text="The recording's id.")
    audio_file = serializers.UUIDField(source="audio_file_id", help_text="The id of the file that it was made from.")
    measured_lufs = serializers.FloatField(
        allow_null=True, help_text="Integrated loudness in LUFS (ITU-R BS.1770-4); null for silence."
    )
    stem_gain_adjustment_db = serializers.FloatField(help_text="Where its fader starts, in dB.")
    audio_url = serializers.SerializerMethodField(help_text="Where its audio is.")
    waveform_url = serializers.SerializerMethodField(help_text="Where its waveform is: a PNG on a transparent ground.")
    file_size_bytes = serializers.IntegerField(min_value=0, help_text="Size of its audio file.")
    duration_seconds = serializers.FloatField(min_value=0)
    file_sha256 = serializers.CharField(help_text="SHA-256 of its audio file; empty until it was computed.")

    class Meta:
        model = Stem
        fields = [
            "id",
            "recording",
            "audio_file",
            "stem_type",
            "measured_lufs",
            "peak_amplitude",
            "stem_gain_adjustment_db",
            "audio_url",
            "waveform_url",
            "file_size_bytes",
            "duration_seconds",
            "file_sha256",
            "created_at",
        ]
        read_only_fields = fields

    @extend_schema_field(URL)
    def get_audio_url(self, stem: Stem) -> str:
        """Return the address of its audio."""
        return media_url(stem.audio_url)

    @extend_schema_field(URL)
    def get_waveform_url(self, stem: Stem) -> str:
        """Return the address of its waveform."""
        return media_url(stem.waveform_url, is_waveform=True)


class RecordingSerializer(serializers.ModelSerializer):
    """What band members open: one source file, separated."""

    profile = serializers.CharField(source="profile.name", help_text="The name of its profile.")
    duration_seconds = serializers.SerializerMethodField(help_text="How long it plays: as long as its longest stem.")
    made_by = serializers.DictField(help_text="The models that made it, and their versions.")
    stems = StemSerializer(many=True, help_text="Its stems, by name.")

    class Meta:
        model = Recording
        fields = [
            "id",
            "profile",
            "output_name",
            "display_name",
            "strategy_name",
            "made_by",
            "duration_seconds",
            "created_at",
            "updated_at",
            "stems",
        ]
        read_only_fields = fields

    @extend_schema_field({"type": "number", "format": "double", "minimum": 0})
    def get_duration_seconds(self, recording: Recording) -> float:
        """Return the length of its longest stem; 0 without any."""
        return max((stem.duration_seconds for stem in recording.stems.all()), default=0.0)


class AudioFileSerializer(serializers.ModelSerializer):
    """A source file, known by its content."""

    # Not required, because members get no such field.
    profile = serializers.CharField(
        source="profile.name", required=False, help_text="The profile where it was first seen (for staff only)."
    )
    storage_url = serializers.CharField(
        help_text="The file's own name; for staff the whole path or key under which the source lies."
    )
    file_size_bytes = serializers.IntegerField(min_value=0)
    duration_seconds = serializers.FloatField(min_value=0)

    class Meta:
        model = AudioFile
        fields = [
            "id",
            "profile",
            "filename",
            "file_hash",
            "hash_provenance",
            "storage_url",
            "file_size_bytes",
            "duration_seconds",
            "uploaded_at",
        ]
        read_only_fields = fields


class AudioFileForMembersSerializer(AudioFileSerializer):
    """The same without what is not everybody's business: the server's folders, and a profile they may not know of."""

    profile = None
    storage_url = serializers.SerializerMethodField()

    class Meta:
        model = AudioFile
        fields = [field for field in AudioFileSerializer.Meta.fields if field != "profile"]
        read_only_fields = fields

    def get_storage_url(self, audio_file: AudioFile) -> str:
        """Return the file's own name."""
        return PureWindowsPath(audio_file.storage_url).name  # Windows' rule takes both kinds of slashes


class ErrorAnswer(serializers.Serializer):
    """What went wrong, in words."""

    detail = serializers.CharField(help_text="A text for people: what is wrong and what to do.")
    errors = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()),
        required=False,
        help_text="What is wrong with single fields or parameters, by their name.",
    )


class Done(serializers.Serializer):
    """It was done. No answer is empty: the client reads JSON from all of them."""

    success = serializers.BooleanField()


# --- the contract with the existing client ----------------------------------------------------------------------------


@extend_schema_field(URL)
class Address(serializers.CharField):
    """Where something is."""


class ContractProfile(serializers.Serializer):
    """A profile as the existing client knows it."""

    name = serializers.CharField()
    source_folder = serializers.CharField(help_text="The folder's own name; for staff the whole path.")


class ContractStem(serializers.Serializer):
    """A stem as the existing client knows it."""

    stem_type = serializers.CharField(help_text="No two stems of a recording have the same.")
    measured_lufs = serializers.FloatField(allow_null=True, help_text="Loudness in LUFS; null for silence.")
    peak_amplitude = serializers.FloatField(help_text="Largest sample, full scale is 1.")
    stem_gain_adjustment_db = serializers.FloatField(help_text="Where its fader starts, in dB.")
    audio_url = Address(help_text="Where its audio is.")
    waveform_url = Address(help_text="Where its waveform is.")
    file_size_bytes = serializers.IntegerField(min_value=0)
    duration_seconds = serializers.FloatField(min_value=0)


class ContractFile(serializers.Serializer):
    """A recording as the existing client knows it."""

    id = serializers.UUIDField()
    name = serializers.CharField(help_text="The folder's name, which addresses have.")
    display_name = serializers.CharField(help_text="What people see; empty means `name`.")
    created_at = serializers.DateTimeField()
    status = serializers.CharField(allow_null=True)
    stems = ContractStem(many=True)


@extend_schema_field(OpenApiTypes.OBJECT)
class Document(serializers.JSONField):
    """A JSON object of the player's own making."""


class ContractConfig(serializers.Serializer):
    """How a person left a recording's faders, effects and playhead."""

    playbackPosition = Document(allow_null=True)  # the contract's spelling
    stems = Document(allow_null=True)
    effects = Document(allow_null=True)
