"""Lists in pages, of one shape: `{"count", "next", "previous", "results"}`."""

import re
from typing import Any

from django.core.paginator import InvalidPage, Paginator
from django.db.models import QuerySet
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.utils.urls import remove_query_param, replace_query_param
from rest_framework.views import APIView

PAGE_SIZE = 50
MAX_PAGE_SIZE = 200
# Enough for anybody, and a number that every layer below can count to.
MAX_PAGE = 1_000_000
_a_number = re.compile(r"0*[1-9][0-9]{0,6}").fullmatch
_ADDRESS = {"type": ["string", "null"], "format": "uri-reference"}


class Pages(PageNumberPagination):
    """Pages by number. What is no number of a page is refused, where DRF would quietly answer with another page."""

    page_size = PAGE_SIZE
    page_size_query_param = "page_size"
    max_page_size = MAX_PAGE_SIZE

    def paginate_queryset(self, queryset: QuerySet[Any], request: Request, view: APIView | None = None) -> list[Any]:
        """Return a page's rows. Raises ValidationError (400) for bad numbers, NotFound for a page past the end."""
        self.request = request
        size = _number(request, self.page_size_query_param, self.page_size, MAX_PAGE_SIZE)
        number = _number(request, self.page_query_param, 1, MAX_PAGE)
        paginator = Paginator(queryset, size)
        try:
            self.page = paginator.page(number)
        except InvalidPage:
            raise NotFound(f"There is no page {number}: the last one is {paginator.num_pages}.") from None
        return list(self.page)

    def get_next_link(self) -> str | None:
        """Return the address of the next page: without a host, so that it is right behind any proxy."""
        if not self.page.has_next():
            return None
        return str(replace_query_param(self._here(), self.page_query_param, self.page.next_page_number()))

    def get_previous_link(self) -> str | None:
        """Return the address of the page before."""
        if not self.page.has_previous():
            return None
        number = self.page.previous_page_number()
        if number == 1:
            return str(remove_query_param(self._here(), self.page_query_param))
        return str(replace_query_param(self._here(), self.page_query_param, number))

    def _here(self) -> str:
        return str(self.request.get_full_path())

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Describe a page."""
        return {
            "type": "object",
            "required": ["count", "next", "previous", "results"],
            "properties": {
                "count": {"type": "integer", "minimum": 0, "description": "Rows on all pages together."},
                "next": {**_ADDRESS, "description": "Where the next page is; null on the last one."},
                "previous": {**_ADDRESS, "description": "Where the page before is; null on the first one."},
                "results": schema,
            },
        }

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        """Describe the parameters."""
        return [
            _parameter(self.page_query_param, "Which page, from 1.", MAX_PAGE, 1),
            _parameter(self.page_size_query_param, "Rows on a page.", MAX_PAGE_SIZE, PAGE_SIZE),
        ]


def _parameter(name: str, description: str, maximum: int, default: int) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": 1, "maximum": maximum, "default": default}
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


def _number(request: Request, name: str, default: int, maximum: int) -> int:
    text = request.query_params.get(name, "")
    if not text:
        return default
    number = int(text) if _a_number(text) else 0
    if not 1 <= number <= maximum:
        raise ValidationError({name: [f"It must be a whole number from 1 to {maximum}."]})
    return number
