"""Addresses in the settings: where this server is reached, and whose pages may call it.

Origins are compared as text with what browsers send in `Origin`, so they are written here as browsers write them.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.utils.encoding import punycode

DEFAULT_PORTS = {"http": 80, "https": 443}


def origin_of(name: str, address: str) -> str:
    """Return `scheme://host[:port]` of an address, or "" for none. Raises ImproperlyConfigured, naming the variable."""
    if not address:
        return ""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
        host = f"[{host}]" if ":" in host else punycode(host).lower()
    except (ValueError, UnicodeError):
        raise _is_none(name, address) from None
    is_name = host and not set(host) & set("*@,;'\" \t\\%")
    if parts.scheme not in DEFAULT_PORTS or not is_name or parts.username is not None or port == 0:
        raise _is_none(name, address)
    return f"{parts.scheme}://{host}" + (f":{port}" if port and port != DEFAULT_PORTS[parts.scheme] else "")


def origins_of(name: str, addresses: Iterable[str]) -> list[str]:
    """Return the origins of a list of addresses, each once. Raises ImproperlyConfigured, naming the variable."""
    found = (origin_of(name, address.strip()) for address in addresses)
    return list(dict.fromkeys(origin for origin in found if origin))


def allowed_origins(frontend_url: str, others: Iterable[str]) -> list[str]:
    """Return the origins besides our own that may call the API: the client's and those listed."""
    found = [*origins_of("FRONTEND_URL", [frontend_url]), *origins_of("STEMSET_TRUSTED_ORIGINS", others)]
    return list(dict.fromkeys(found))


def is_cross_origin(frontend_url: str, backend_url: str) -> bool:
    """Return whether the client's pages are at another origin than this server, both as origins or "" for unknown."""
    return bool(frontend_url and backend_url) and frontend_url != backend_url


def _is_none(name: str, address: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{name} must be an address such as https://band.example, not {address!r}.")
