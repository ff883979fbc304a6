"""Reading the environment strictly: a value that does not parse stops the start and is named."""

import environ
from django.core.exceptions import ImproperlyConfigured

TRUE = {"true", "yes", "on", "1"}
FALSE = {"false", "no", "off", "0", ""}


class StrictEnv(environ.FileAwareEnv):
    """django-environ, with two gaps closed: its `bool` reads any unknown word as False, and a number that does not
    parse is reported without the variable's name. `NAME_FILE` may point at a file that holds the value (secrets).
    """

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
