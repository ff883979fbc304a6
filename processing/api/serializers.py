"""What the API tells about jobs."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from processing.jobs import listing
from processing.models import Job


class JobSerializer(serializers.ModelSerializer):
    """What is being made of a source, or was."""

    profile = serializers.CharField(source="profile.name", help_text="The name of its profile.")
    recording = serializers.UUIDField(
        source="recording_id", allow_null=True, help_text="The id of the recording that was made."
    )
    output_name = serializers.CharField(help_text="The folder's name of the recording, made or to be made.")
    state = serializers.ChoiceField(choices=Job.State.choices, help_text="How far it has come.")
    status = serializers.SerializerMethodField(help_text="The same in words, for people.")
    progress = serializers.FloatField(min_value=0, max_value=1, help_text="Finished part of the whole.")
    asked_by = serializers.SerializerMethodField(help_text="Who wanted it; null for what a scan has found.")
    error = serializers.SerializerMethodField(help_text="Why it failed, in words, when it has.")
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True, help_text="When the work on it began.")
    finished_at = serializers.DateTimeField(allow_null=True)

    class Meta:
        model = Job
        fields = [
            "id",
            "profile",
            "recording",
            "filename",
            "output_name",
            "strategy_name",
            "state",
            "status",
            "progress",
            "asked_by",
            "error",
            "created_at",
            "started_at",
            "finished_at",
        ]
        read_only_fields = fields

    def get_status(self, job: Job) -> str:
        """Return what is happening to it, or how it ended."""
        return listing.status(job)

    @extend_schema_field({"type": ["string", "null"]})
    def get_asked_by(self, job: Job) -> str | None:
        """Return a person's name."""
        return str(job.uploader) if job.uploader else None

    @extend_schema_field({"type": ["string", "null"]})
    def get_error(self, job: Job) -> str | None:
        """Return what people are told; a job that is tried again has no error yet."""
        return job.error_text if job.state in (Job.State.ERROR, Job.State.CANCELLED) else None


class ContractJob(serializers.Serializer):
    """A separation under way, or done."""

    job_id = serializers.CharField()
    profile_name = serializers.CharField()
    output_name = serializers.CharField()
    filename = serializers.CharField()
    status = serializers.ChoiceField(choices=["processing", "complete", "error"])
    stems = serializers.ListField(child=serializers.CharField(), allow_null=True)
    error = serializers.CharField(allow_null=True)
    progress = serializers.FloatField(help_text="Finished part of the whole, 0 to 1.")


class ContractStatus(serializers.Serializer):
    """That something was taken note of."""

    status = serializers.ChoiceField(choices=["ok"])
