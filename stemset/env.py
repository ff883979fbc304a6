"""Reading the environment strictly: a value that does not parse stops the start and is named."""

from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured
from environ.fileaware_mapping import FileAwareMapping  # type: ignore[import-untyped]

TRUE = {"true", "yes", "on", "1"}
FALSE = {"false", "no", "off", "0", ""}


class Variables(FileAwareMapping):
    """The environment, where `NAME_FILE` may point at a file that holds the value (secrets)."""

    def __getitem__(self, name: str) -> Any:
        """Return the value. Raises ImproperlyConfigured when its file cannot be read."""
        try:
            return super().__getitem__(name)
        except (OSError, UnicodeDecodeError) as error:
            raise ImproperlyConfigured(f"{name}_FILE names a file that cannot be read: {error}") from None


class StrictEnv(environ.FileAwareEnv):
    """django-environ, with gaps closed: its `bool` reads any unknown word as False, and neither a number that does not
    parse nor a file that cannot be read is reported with the variable's name.
    """

    ENVIRON = Variables()

    def flag(self, name: str, *, default: bool) -> bool:
        """Return a yes/no value. Raises ImproperlyConfigured for anything that is neither."""
        word = str(self.str(name, default=str(default))).strip().lower()
        if word in TRUE:
            return True
        if word in FALSE:
            return False
        raise ImproperlyConfigured(f"{name} must be true or false, not {word!r}.")

    def number(self, name: str, *, default: int, at_least: int = 0) -> int:
        """Return a whole number. Raises ImproperlyConfigured when it is not one or is too small."""
        text = str(self.str(name, default=str(default))).strip()
        try:
            value = int(text)
        except ValueError:
            raise ImproperlyConfigured(f"{name} must be a whole number, not {text!r}.") from None
        if value < at_least:
            raise ImproperlyConfigured(f"{name} must be at least {at_least}, not {value}.")
        return value

    def minutes(self, name: str, *, default: float) -> float:
        """Return a length of time in minutes, above 0 and at most a week. Raises ImproperlyConfigured."""
        text = str(self.str(name, default=str(default))).strip()
        try:
            value = float(text)
        except ValueError:
            value = 0.0
        if not 0 < value <= 7 * 24 * 60:
            raise ImproperlyConfigured(f"{name} must be minutes: a number above 0, at most a week, not {text!r}.")
        return value

    def names(self, name: str, *, default: list[str]) -> list[str]:
        """Return names separated by commas. Raises ImproperlyConfigured when the variable is set, but to none."""
        found = [word.strip() for word in self.str(name, default=",".join(default)).split(",") if word.strip()]
        if not found:
            raise ImproperlyConfigured(f"{name} is empty: name at least one, or unset it for {', '.join(default)}.")
        return found
