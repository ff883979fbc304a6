"""To Google and back."""

import logging
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from social_core.exceptions import SocialAuthBaseException
from social_django.utils import load_backend, load_strategy

from accounts.cookie import give_cookie
from accounts.google.refusals import Refusal, Refused, refusal_for
from accounts.models import User
from accounts.pictures import fetch_picture
from accounts.places import after_sign_in, redirect_uri, safe_page
from accounts.signing import sign_in
from accounts.throttle import throttled
from accounts.verbs import only_get

# Where somebody wanted to go; a key of the session.
WANTED = "page_after_sign_in"
# How long somebody may take at Google; the library forgets the state after that.
ATTEMPT_SECONDS = 30 * 60
logger = logging.getLogger(__name__)


@login_not_required
@only_get
@throttled("google", "GET")
@never_cache
def begin(request: HttpRequest) -> HttpResponseBase:
    """Send somebody to Google."""
    if not settings.SIGN_IN.with_google:
        return _not_set_up(request)
    try:
        response: HttpResponse = _google(request).start()
    except SocialAuthBaseException as error:
        return _explain(request, error)
    request.session[WANTED] = safe_page(request.GET.get("next", ""))
    if not request.user.is_authenticated:
        # Whoever never comes back leaves no session for a month.
        request.session.set_expiry(ATTEMPT_SECONDS)
    return response


@login_not_required
@only_get
@throttled("google", "GET")
@never_cache
def callback(request: HttpRequest) -> HttpResponseBase:
    """Let somebody in who comes back from Google, or say why not. Who was signed in before stays so until then."""
    if not settings.SIGN_IN.with_google:
        return _not_set_up(request)
    try:
        user: User = _google(request).complete(user=None)
    except Refused as refused:
        logger.info("Refused at sign-in: %s", refused.refusal.happened)
        return _refuse(request, refused.refusal)
    except SocialAuthBaseException as error:
        return _explain(request, error)
    wanted = request.session.get(WANTED, "")
    token = sign_in(request, user)
    fetch_picture(user)
    response = HttpResponseRedirect(after_sign_in(wanted, token))
    give_cookie(request, response, token)
    return response


def _google(request: HttpRequest) -> Any:
    strategy = load_strategy(request)  # type: ignore[no-untyped-call]
    return load_backend(strategy, "google", redirect_uri(request))  # type: ignore[no-untyped-call]


def _explain(request: HttpRequest, error: SocialAuthBaseException) -> HttpResponse:
    refusal = refusal_for(error)
    level = logging.WARNING if refusal.status >= 500 else logging.INFO
    about = error.claim or error.parameter or error.provider_code or ""
    facts = f"{type(error).__name__} ({error.code}, {error.stage}) {about} {error.detail}"
    # What came back by way of the browser is all in these words; of a failed request the traceback says more.
    is_of_a_request = level > logging.INFO and error.stage != "callback"
    # Quoted, because it may say anything, on any number of lines.
    logger.log(level, "Signing in with Google failed: %r", facts.strip(), exc_info=error if is_of_a_request else None)
    return _refuse(request, refusal)


def _refuse(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    response = render(request, "accounts/refused.html", {"refusal": refusal}, status=refusal.status)
    if refusal.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _not_set_up(request: HttpRequest) -> HttpResponse:
    return render(request, "accounts/not_set_up.html", {"redirect_uri": redirect_uri(request)}, status=503)
