from django.apps import AppConfig


class StemsetConfig(AppConfig):
    """The installation itself: configuration and its checks."""

    name = "stemset"

    def ready(self) -> None:
        """Register the system checks."""
        from stemset import checks  # noqa: F401, PLC0415  # settings must be complete first
