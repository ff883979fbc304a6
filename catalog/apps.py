from django.apps import AppConfig


class CatalogConfig(AppConfig):
    """What has been recorded and what has been made of it."""

    name = "catalog"
    verbose_name = "Catalogue"
