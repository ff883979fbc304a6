"""What the API tells about jobs."""

from rest_framework import serializers


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
