"""Where this server and the client's pages are, and where people are sent."""

from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from stemset.errors import API_PREFIXES
from stemset.gunicorn import is_loopback_host


def own_origin(request: HttpRequest) -> str:
    """Return the origin under which people reach this server."""
    return settings.BACKEND_URL or f"{request.scheme}://{request.get_host()}"


def client_is_on_another_host(request: HttpRequest) -> bool:
    """Return whether the client's pages come from another host. One on localhost is somebody developing it."""
    host = urlsplit(settings.FRONTEND_URL).hostname or ""
    if not host or is_loopback_host(host) or host.endswith(".localhost"):
        return False
    return host != urlsplit(own_origin(request)).hostname


def redirect_uri(request: HttpRequest) -> str:
    """Return where Google sends people back to; it must be registered there, character for character."""
    return settings.SIGN_IN.redirect_uri or own_origin(request) + reverse("google-callback")


def after_sign_in(page: str, token: str) -> str:
    """Return where somebody goes who has signed in: the page they wanted, or the client, which is given its token."""
    return page or f"{settings.FRONTEND_URL or '/'}#token={token}"


def safe_page(address: str) -> str:
    """Return an address if it is a page of ours, by its path alone, else ""."""
    if not address.startswith("/") or address.startswith(API_PREFIXES):
        return ""
    return address if url_has_allowed_host_and_scheme(address, allowed_hosts=None) else ""


def picture_url(request: HttpRequest) -> str:
    """Return where somebody's own picture is: a whole address if the asking page is at another origin than ours."""
    path = reverse("picture")
    asking = request.headers.get("Origin", "")
    is_foreign = settings.CROSS_ORIGIN_CLIENT or (asking and asking != own_origin(request))
    return own_origin(request) + path if is_foreign else path
