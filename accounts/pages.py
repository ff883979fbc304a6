"""The door (/login), and the page about oneself (/account)."""

from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_POST, require_safe

from accounts import signing, tokens
from accounts.admission import is_admitted
from accounts.authentication import COOKIE, session_token
from accounts.cookie import take_cookie
from accounts.models import Session, User
from accounts.places import safe_page
from accounts.sessions import sessions_of, stored_key
from accounts.signing import with_its_token
from accounts.throttle import throttled

LIFETIMES = [("30", "in 30 days"), ("90", "in 90 days"), ("365", "in a year"), ("", "never")]


class DoorForm(AuthenticationForm):
    """E-mail and password. Few have one: staff, and those whom staff gave one."""

    def confirm_login_allowed(self, user: Any) -> None:
        """Refuse who may not be here although the password is right."""
        super().confirm_login_allowed(user)
        if not is_admitted(user):
            raise ValidationError("not admitted")


class Door(LoginView):
    """The page for signing in."""

    form_class = DoorForm
    template_name = "registration/login.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Let those through who are signed in. Who sends the form nevertheless, signs in in place of them."""
        if not request.user.is_authenticated:
            return super().get(request, *args, **kwargs)
        wanted = safe_page(self.get_redirect_url())
        return redirect("library" if not wanted or wanted.startswith(request.path) else wanted)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Offer Google where it is set up."""
        wanted = safe_page(self.get_redirect_url())
        return super().get_context_data(**kwargs, with_google=settings.SIGN_IN.with_google, wanted=wanted)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Begin a new session, whatever was here before."""
        self.request.session.flush()
        return super().form_valid(form)


class PartForm(forms.ModelForm):  # type: ignore[type-arg]
    """What somebody plays."""

    class Meta:
        model = User
        fields = ["my_part"]
        labels: ClassVar = {"my_part": "I play"}


class TokenForm(forms.Form):
    """A personal token to be made."""

    name = forms.CharField(max_length=100, label="What for")
    expires = forms.ChoiceField(choices=LIFETIMES, initial="90", required=False, label="Expires")


login = with_its_token(throttled("password", "POST")(Door.as_view()))
logout = with_its_token(LogoutView.as_view())


@require_safe
@never_cache
def account(request: HttpRequest) -> HttpResponse:
    """Show somebody what the site knows of them, and where they are signed in."""
    return _page(request, TokenForm())


@require_POST
def choose_part(request: HttpRequest) -> HttpResponse:
    """Keep what somebody plays."""
    form = PartForm(request.POST, instance=_me(request))
    if not form.is_valid():
        return _page(request, TokenForm(), part=form, status=400)
    form.save()
    return redirect("account")


@require_POST
@never_cache
@sensitive_variables("secret")
def make_token(request: HttpRequest) -> HttpResponse:
    """Make a personal token and show it, this once: it is in this answer and nowhere else."""
    form = TokenForm(request.POST)
    if not form.is_valid():
        return _page(request, form, status=400)
    days = form.cleaned_data["expires"]
    expires_at = timezone.now() + timedelta(days=int(days)) if days else None
    try:
        row, secret = tokens.make_personal_token(_me(request), form.cleaned_data["name"], expires_at)
    except tokens.TooManyTokens:
        form.add_error("name", f"You have {tokens.MOST_TOKENS} tokens. Revoke one first.")
        return _page(request, form, status=409)
    return _page(request, TokenForm(), made=row, secret=secret)


@require_POST
def revoke_token(request: HttpRequest, token_id: UUID) -> HttpResponseRedirect:
    """End a personal token."""
    count, _by_model = _me(request).api_tokens.filter(pk=token_id).delete()
    if not count:
        raise Http404
    return redirect("account")


@require_POST
def sign_out_everywhere(request: HttpRequest) -> HttpResponseRedirect:
    """End all sessions of the person who asks, and their tokens if they ticked that."""
    signing.sign_out_everywhere(request, with_tokens="tokens" in request.POST)
    response = redirect("login")
    if COOKIE in request.COOKIES:
        take_cookie(request, response)
    return response


def _page(request: HttpRequest, form: TokenForm, status: int = 200, **more: Any) -> HttpResponse:
    me = _me(request)
    here = [{"session": session, "is_this": _is_this(request, session)} for session in sessions_of(me)]
    context = {
        "form": form,
        "part": PartForm(instance=me),
        "here": here,
        "tokens": me.api_tokens.all(),
        "now": timezone.now(),
        **more,
    }
    return render(request, "accounts/account.html", context, status=status)


def _is_this(request: HttpRequest, session: Session) -> bool:
    return session.session_key == stored_key(request.session.session_key or "") or (
        session.token_id is not None and session.token_id == session_token(request)
    )


def _me(request: HttpRequest) -> User:
    user: User = request.user  # type: ignore[assignment]  # LoginRequiredMiddleware has seen to it
    return user
