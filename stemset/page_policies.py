"""What a page of ours may do: load and run (Content-Security-Policy), and use of the device (Permissions-Policy)."""

from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed
from django.http import HttpRequest, HttpResponse
from django.middleware.csp import ContentSecurityPolicyMiddleware, get_nonce
from django.utils.csp import CSP, build_policy

# A player wants to play and to keep the screen on while it does. Nothing of ours looks, listens or asks where one is.
PERMISSIONS = "autoplay=(self), camera=(), geolocation=(), microphone=(), screen-wake-lock=(self)"


class PagePolicyMiddleware(ContentSecurityPolicyMiddleware):
    """Sets both; the second on pages only, since browsers read it nowhere else."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """Add the headers to an answer."""
        if not hasattr(response, "_csp_config") and not get_nonce(request):  # the parent's two reasons to write another
            response.headers.setdefault(CSP.HEADER_ENFORCE.value, usual_policy())
        answer = super().process_response(request, response)
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            answer.headers["Permissions-Policy"] = PERMISSIONS
        return answer


@lru_cache(maxsize=1)
def usual_policy() -> str:
    """Return what answers say that need no nonce, nearly all: to write it anew costs a twentieth of a short answer."""
    return build_policy(settings.SECURE_CSP)


def _forget(**_kwargs: Any) -> None:
    usual_policy.cache_clear()


setting_changed.connect(_forget)  # which happens in tests only
