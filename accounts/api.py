"""Who is signed in, signing out, personal tokens, and the members of a profile: the API about people."""

import hashlib
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.cache import add_never_cache_headers, get_conditional_response, patch_vary_headers
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.exceptions import APIException, PermissionDenied
from rest_framework.permissions import AllowAny, BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import members, serializers, signing, tokens
from accounts.authentication import BY_SCRIPT, COOKIE
from accounts.cookie import take_cookie
from accounts.models import ApiToken, Picture, User
from accounts.pictures import drawn_initials
from accounts.places import own_origin, picture_url
from catalog.access import Action, open_profiles, profile_for
from catalog.api.serializers import ErrorAnswer
from stemset.origin_check import REFUSAL

SUCCESS = {"success": True}
# An SVG is a document of its own when it is opened by itself; this one may do nothing.
NOTHING_ALLOWED = "default-src 'none'; sandbox"


class Conflict(APIException):
    """What is asked does not go together with how things are."""

    status_code = 409


class NotByScript(BasePermission):
    """A personal token does not make others, and signs nobody out: whoever finds one could otherwise stay for ever."""

    message = "A personal token cannot do this. Sign in, in a browser."

    def has_permission(self, request: Request, view: Any) -> bool:
        """Return whether a person is before the screen."""
        return bool(request.auth != BY_SCRIPT)


class PersonalView(APIView):
    """Answers that are of one moment and for one person."""

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Have them kept nowhere."""
        response = super().finalize_response(request, response, *args, **kwargs)
        add_never_cache_headers(response)
        patch_vary_headers(response, ["Cookie", "Authorization"])
        return response


@extend_schema(tags=["sign-in"])
class Status(PersonalView):
    """Who is signed in."""

    permission_classes = [AllowAny]

    @extend_schema(operation_id="auth_status", responses=serializers.Status)
    def get(self, request: Request) -> Response:
        """Say who is signed in and which profiles they may open. Two statements; for a stranger none."""
        user = request.user
        if not user.is_authenticated:
            return Response({"authenticated": False, "user": None, "profiles": []})
        person = {
            "id": str(user.pk),
            "name": str(user),
            "email": user.email,
            "picture": picture_url(request._request),
        }
        names = [profile.name for profile in open_profiles(user)]
        return Response({"authenticated": True, "user": person, "profiles": names})


@extend_schema(tags=["sign-in"])
class Logout(PersonalView):
    """Signing out, by GET as the existing client does it."""

    permission_classes = [AllowAny]

    @extend_schema(operation_id="auth_logout", responses={200: serializers.Success, 403: ErrorAnswer})
    def get(self, request: Request) -> Response:
        """End this session: its cookie and its token are without effect from now on, wherever they are."""
        if _is_asked_from_elsewhere(request._request):
            raise PermissionDenied(REFUSAL)
        signing.sign_out(request._request)
        response = Response(SUCCESS)
        take_cookie(request._request, response)
        return response


@extend_schema(tags=["sign-in"])
class LogoutEverywhere(PersonalView):
    """Signing out in all browsers."""

    permission_classes = [IsAuthenticated, NotByScript]

    @extend_schema(operation_id="auth_logout_everywhere", request=serializers.Everywhere, responses=serializers.Success)
    def post(self, request: Request) -> Response:
        """End all sessions of the person who asks, and on demand their personal tokens."""
        wanted = serializers.Everywhere(data=request.data)
        wanted.is_valid(raise_exception=True)
        signing.sign_out_everywhere(request._request, with_tokens=wanted.validated_data["tokens"])
        response = Response(SUCCESS)
        if COOKIE in request.COOKIES:
            take_cookie(request._request, response)
        return response


@extend_schema(tags=["sign-in"])
class OwnPicture(APIView):
    """The picture of the person who asks."""

    @extend_schema(
        operation_id="auth_picture",
        responses={
            (200, "image/png"): OpenApiTypes.BINARY,
            (200, "image/svg+xml"): OpenApiTypes.BINARY,
            304: OpenApiResponse(description="It has not changed."),
        },
    )
    def get(self, request: Request) -> HttpResponse:
        """Send it, or their initials drawn as one."""
        user: User = request.user
        picture = Picture.objects.filter(user=user).first()
        if picture is not None:
            response, etag = HttpResponse(bytes(picture.content), content_type="image/png"), picture.sha256
        else:
            drawn = drawn_initials(user)
            response = HttpResponse(drawn, content_type="image/svg+xml")
            etag = hashlib.sha256(drawn).hexdigest()
            response.headers["Content-Security-Policy"] = NOTHING_ALLOWED
        response.headers["ETag"] = f'"{etag}"'
        # Asked for anew each time: the same address is another person's picture after the next sign-in.
        response.headers["Cache-Control"] = "private, no-cache"
        patch_vary_headers(response, ["Cookie", "Authorization"])
        kept = get_conditional_response(request._request, etag=response.headers["ETag"], response=response)
        return kept or response


@extend_schema(tags=["tokens"])
class Tokens(PersonalView):
    """Personal tokens."""

    permission_classes = [IsAuthenticated, NotByScript]

    @extend_schema(operation_id="tokens_list", responses=serializers.Token(many=True))
    def get(self, request: Request) -> Response:
        """List one's own, the latest first."""
        return Response(serializers.Token(_own_tokens(request), many=True).data)

    @extend_schema(
        operation_id="tokens_create",
        request=serializers.NewToken,
        responses={201: serializers.MadeToken, 409: ErrorAnswer},
    )
    def post(self, request: Request) -> Response:
        """Make one. It is in this answer and never again."""
        wanted = serializers.NewToken(data=request.data)
        wanted.is_valid(raise_exception=True)
        try:
            row, secret = tokens.make_personal_token(request.user, **wanted.validated_data)
        except tokens.TooManyTokens:
            raise Conflict(f"You have {tokens.MOST_TOKENS} tokens. Revoke one first.") from None
        return Response({**serializers.Token(row).data, "token": secret}, status=201)


@extend_schema(tags=["tokens"])
class OneToken(PersonalView):
    """One of them."""

    permission_classes = [IsAuthenticated, NotByScript]

    @extend_schema(operation_id="tokens_destroy", responses=serializers.Success)
    def delete(self, request: Request, token_id: UUID) -> Response:
        """Revoke it."""
        count, _by_model = _own_tokens(request).filter(pk=token_id).delete()
        if not count:
            raise Http404("You have no such token.")
        return Response(SUCCESS)


@extend_schema(tags=["members"])
class Members(PersonalView):
    """The people in a profile."""

    @extend_schema(operation_id="members_list", responses=serializers.Member(many=True))
    def get(self, request: Request, name: str) -> Response:
        """List them. Every member may know who the others are."""
        profile = profile_for(request.user, name)
        return Response(serializers.Member(members.members_of(profile), many=True).data)

    @extend_schema(
        operation_id="members_create",
        request=serializers.Invitation,
        responses={201: serializers.Member, 200: serializers.Member},
    )
    def post(self, request: Request, name: str) -> Response:
        """Invite somebody. The answer is the same whether or not the address was known; 200 if they are in already."""
        profile = profile_for(request.user, name, Action.INVITE)
        invitation = serializers.Invitation(data=request.data)
        invitation.is_valid(raise_exception=True)
        member, is_new = members.invite(request.user, profile, **invitation.validated_data)
        return Response(serializers.Member(member).data, status=201 if is_new else 200)


@extend_schema(tags=["members"])
class OneMember(PersonalView):
    """One of them."""

    @extend_schema(
        operation_id="members_update",
        request=serializers.RoleChange,
        responses={200: serializers.Member, 409: ErrorAnswer},
    )
    def patch(self, request: Request, name: str, user_id: UUID) -> Response:
        """Make them a member or a leader."""
        profile = profile_for(request.user, name, Action.CHANGE_ROLE)
        change = serializers.RoleChange(data=request.data)
        change.is_valid(raise_exception=True)
        try:
            member = members.change_role(request.user, profile, user_id, **change.validated_data)
        except members.LastLeader:
            raise _last_leader() from None
        return Response(serializers.Member(member).data)

    @extend_schema(operation_id="members_destroy", responses={200: serializers.Success, 409: ErrorAnswer})
    def delete(self, request: Request, name: str, user_id: UUID) -> Response:
        """Take them out."""
        profile = profile_for(request.user, name, Action.TAKE_OUT)
        try:
            members.remove(request.user, profile, user_id)
        except members.LastLeader:
            raise _last_leader() from None
        return Response(SUCCESS)


def _own_tokens(request: Request) -> Any:
    return ApiToken.objects.filter(user=request.user)


def _last_leader() -> Conflict:
    return Conflict(
        "The profile would have no leader left who has signed in. Make somebody else a leader who has, or ask staff."
    )


def _is_asked_from_elsewhere(request: HttpRequest) -> bool:
    """Return whether a page of somebody else's asks, as far as the browser says."""
    origin = request.headers.get("Origin")
    if origin is not None:
        own = (own_origin(request), f"{request.scheme}://{request.get_host()}")
        return origin not in (*own, *settings.TRUSTED_ORIGINS)
    return request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin")
