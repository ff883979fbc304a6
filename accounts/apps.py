from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People, and which profiles they may open."""

    name = "accounts"
    verbose_name = "People"

    def ready(self) -> None:
        """Register the system checks."""
        from accounts import checks  # noqa: F401, PLC0415  # models must be loaded first
