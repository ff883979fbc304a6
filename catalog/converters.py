"""What names may be in an address. Importing this module makes `name` and `anypath` known to paths."""

from django.urls import register_converter


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
