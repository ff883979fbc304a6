"""Addresses of the library and its media. None ends in a slash."""

from django.urls import path
from django.views.generic import RedirectView

from catalog import converters as _converters  # noqa: F401  # `name` and `anypath` below
from catalog import pages
from catalog.media import media
from catalog.stems_zip import stems_zip

urlpatterns = [
    path("media/<anypath:path>", media, name="media"),
    path("", RedirectView.as_view(pattern_name="library"), name="home"),
    path("library", pages.library, name="library"),
    path("library/<name:profile_name>", pages.profile, name="profile"),
    path("library/<name:profile_name>/<name:output_name>", pages.recording, name="recording"),
    path("library/<name:profile_name>/<name:output_name>/stems.zip", stems_zip, name="stems-zip"),
]
