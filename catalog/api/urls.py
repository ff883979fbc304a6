"""Addresses of the API. None ends in a slash."""

from django.urls import include, path

from catalog import converters as _converters  # noqa: F401  # `name` below
from catalog.api import contract, practice

urlpatterns = [
    path("profiles", contract.Profiles.as_view(), name="api-profiles"),
    path("profiles/<name:name>", contract.Profile.as_view(), name="api-profile"),
    path("profiles/<name:name>/files", contract.Files.as_view(), name="api-files"),
    path(
        "profiles/<name:name>/files/<name:output_name>/display-name",
        contract.DisplayNameOf.as_view(),
        name="api-display-name",
    ),
    path("recordings/<uuid:recording_id>/config", contract.MixOf.as_view(), name="api-mix"),
    path("recordings/<uuid:recording_id>/practice", practice.PracticeOf.as_view(), name="api-practice"),
    path("", include("catalog.api.own_urls")),
]
