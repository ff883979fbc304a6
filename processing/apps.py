from django.apps import AppConfig


class ProcessingConfig(AppConfig):
    """From a source file to catalogued stems."""

    name = "processing"

    def ready(self) -> None:
        """Register the system checks, and what happens to jobs when recordings are deleted."""
        from processing import checks  # noqa: F401, PLC0415  # models must be loaded first
        from processing.jobs import deletions  # noqa: F401, PLC0415
