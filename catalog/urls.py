"""Addresses of the library and its media. None ends in a slash."""

from django.urls import path, register_converter
from django.views.generic import RedirectView

from catalog import pages
from catalog.media import media


class NameConverter:
    """One segment of a path, in any script. NUL, about which PostgreSQL refuses to be asked, does not match."""

    regex = r"[^/\x00]+"

    def to_python(self, value: str) -> str:
        """Return the name."""
        return value

    def to_url(self, value: str) -> str:
        """Return the name; Django quotes it."""
        return value


class AnyPathConverter(NameConverter):
    """Several such segments. Django's own `path` knows no line breaks, which old folder names may have."""

    regex = r"[^\x00]+"


register_converter(NameConverter, "name")
register_converter(AnyPathConverter, "anypath")

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="library"), name="home"),
    path("library", pages.library, name="library"),
    path("library/<name:profile_name>", pages.profile, name="profile"),
    path("library/<name:profile_name>/<name:output_name>", pages.recording, name="recording"),
    path("media/<anypath:path>", media, name="media"),
]
