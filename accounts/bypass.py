"""STEMSET_BYPASS_AUTH: a local developer is signed in without Google."""

import ipaddress
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import login
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden

from accounts.models import User

DEVELOPER_EMAIL = "developer@localhost"

# What proxies add. One on this machine would make everybody look local, so a forwarded request counts as foreign.
SIGNS_OF_A_PROXY = (
    "X-Forwarded-For",
    "Forwarded",
    "X-Real-IP",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "Via",
)


class BypassAuthMiddleware:
    """Signs the local developer (staff) in; refuses everybody who does not come over loopback."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        if not settings.STEMSET_BYPASS_AUTH:
            raise MiddlewareNotUsed
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Sign in, once per session."""
        if not _from_this_machine(request):
            return HttpResponseForbidden("STEMSET_BYPASS_AUTH is on: this server answers only its own machine.")
        if not request.user.is_authenticated:
            user, _created = User.objects.get_or_create(
                email=DEVELOPER_EMAIL,
                defaults={"name": "Local developer", "is_staff": True, "is_superuser": True},
            )
            login(request, user, backend="django.contrib.auth.backends.ModelBackend")
        return self.get_response(request)


def _from_this_machine(request: HttpRequest) -> bool:
    if any(name in request.headers for name in SIGNS_OF_A_PROXY):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
