from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """People, and which profiles they may open."""

    name = "accounts"
