"""The schema at `/api/schema`, and a page to read it and try it out at `/api/docs`."""

from functools import lru_cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from catalog.api.conditional import ConditionalAnswers


@lru_cache(maxsize=1)
def openapi_schema() -> dict[str, Any]:
    """Return the schema, the same for everybody. It takes a while to write, and only a new version changes it."""
    generator: Any = SchemaGenerator
    schema: dict[str, Any] = generator().get_schema(request=None, public=True)
    return schema


class Schema(ConditionalAnswers):
    """This document."""

    @extend_schema(
        summary="Get the schema of the API",
        description="This document: every route in OpenAPI 3.1. `/api/docs` is a page for reading it.",
        tags=["schema"],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request: Request) -> Response:
        """Answer with the schema."""
        return Response(openapi_schema())


# For people with a browser, who are led to the sign-in page and back.
@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """Show Swagger UI, from our own files."""
    return render(request, "api/docs.html")
