"""What the OpenAPI schema says of every operation without being told: errors, headers, and how to sign in.

Views describe themselves with drf-spectacular's `extend_schema`, or with a docstring: its first line is the summary.
"""

from typing import Any, Literal

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiResponse
from rest_framework.permissions import AllowAny, IsAuthenticated

from catalog.api.serializers import ErrorAnswer

JSON = "application/json"
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
WITH_BODY = ("POST", "PUT", "PATCH")
ERRORS = {
    400: "The request cannot be understood, or something in it is not right; `errors` says what.",
    401: "Nobody is signed in, or the sign-in has ended.",
    403: "The request came from a page of another site, or this is not for scripts.",
    404: "There is no such thing (or page of a list), or it is not the person's to see or to change.",
    406: "The Accept header does not allow JSON.",
    412: "It has changed since it was fetched (If-Match).",
    413: "The body is too large.",
    415: "The body is of a media type that cannot be read here.",
    429: "Too many requests of one person in a short time.",
    500: "Something broke on our side.",
}
PATH_PARAMETERS = {
    "id": "Its id, as lists have it.",
    "recording_id": "The recording's id.",
    "name": "The profile's name.",
    "output_name": "The recording's name, as its folder is called.",
    "job_id": "The job's id.",
    "user_id": "The person's id.",
    "token_id": "The token's id, as the list has it.",
    "token": "The secret of the job, which its worker was told.",
}
_TEXT = {"type": "string"}
ETAG = {"schema": _TEXT, "description": "A strong tag of the answer, to be sent back as If-None-Match."}
CACHE_CONTROL = {"schema": _TEXT, "description": "`private, no-cache`: keep it, but ask every time."}
RETRY_AFTER = {"schema": {"type": "integer", "minimum": 0}, "description": "How many seconds to wait."}
CHALLENGE = {"schema": _TEXT, "description": "`Bearer`."}


class Described(AutoSchema):
    """The schema of an operation, with what all operations have in common."""

    def get_summary(self) -> str | None:
        """Return the first line of the method's docstring."""
        return super().get_summary() or self.get_description().partition("\n")[0].rstrip(".")

    def _get_parameters(self) -> list[dict[str, Any]]:
        parameters: list[dict[str, Any]] = super()._get_parameters()
        for parameter in parameters:
            if parameter["in"] == "path" and parameter["name"] in PATH_PARAMETERS:
                parameter.setdefault("description", PATH_PARAMETERS[parameter["name"]])
        return parameters

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> dict[str, Any]:
        untyped: Any = self
        told = self.get_response_serializers()
        if self.method == "DELETE" and not isinstance(told, dict):
            # The library takes every deletion to be answered by 204, and ours never are.
            bodies = {"200": untyped._get_response_for_code(told, "200", None, direction)}
        else:
            bodies = super()._get_response_bodies(direction)
        for answer in bodies.values():
            answer["description"] = answer["description"] or "Done."
        for code in self._possible_errors():
            answer = OpenApiResponse(ErrorAnswer, ERRORS[code])
            bodies.setdefault(str(code), untyped._get_response_for_code(answer, str(code), [JSON], direction))
        if self._is_conditional():
            bodies.setdefault("304", {"description": "It has not changed: what was fetched before is still right."})
            for status in ("200", "304"):
                bodies[status].setdefault("headers", {}).update({"ETag": ETAG, "Cache-Control": CACHE_CONTROL})
        if "401" in bodies:
            bodies["401"].setdefault("headers", {})["WWW-Authenticate"] = CHALLENGE
        if "429" in bodies:
            bodies["429"].setdefault("headers", {})["Retry-After"] = RETRY_AFTER
        return dict(sorted(bodies.items()))

    def _possible_errors(self) -> list[int]:
        untyped: Any = self
        possible = {
            400: True,
            401: {} not in self.get_auth(),
            403: self.method in UNSAFE or not set(self.view.permission_classes) <= {IsAuthenticated, AllowAny},
            404: "{" in self.path or untyped._get_paginator() is not None,
            406: True,
            412: self._is_conditional(),
            413: self.method in WITH_BODY,
            415: self.method in WITH_BODY,
            429: bool(self.view.throttle_classes),
            500: True,
        }
        return [code for code, may_be in possible.items() if may_be]

    def _is_conditional(self) -> bool:
        """Whether the view says that its GET is answered conditionally."""
        return self.method == "GET" and getattr(self.view, "is_conditional", False)


class HowToSignIn(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The three ways of accounts.authentication, which this room does not import."""

    target_class = "accounts.authentication.RequestPerson"
    name = ["bearer", "cookie", "session"]

    def get_security_requirement(self, auto_schema: AutoSchema) -> list[dict[str, list[Any]]]:
        """Any one of them is enough."""
        return [{name: []} for name in self.name]

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, Any]]:
        """Describe them."""
        return [
            {
                "type": "http",
                "scheme": "bearer",
                "description": "A personal token (`stemset_…`), or the token of a sign-in (a JWT).",
            },
            {
                "type": "apiKey",
                "in": "cookie",
                "name": "stemset_token",
                "description": "The cookie of a sign-in with Google.",
            },
            {
                "type": "apiKey",
                "in": "cookie",
                "name": "sessionid",
                "description": "The cookie of a sign-in on our own pages.",
            },
        ]
