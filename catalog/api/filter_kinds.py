"""Kinds of filters, and what may stand in an address at all."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import django_filters
from django import forms
from django.core.validators import EMPTY_VALUES
from django.db.models import QuerySet
from django_filters.rest_framework import FilterSet
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from catalog.api.pagination import Pages


class MomentField(forms.DateTimeField):
    """A date, which means its beginning in UTC, or a date and time. Its value is in UTC."""

    input_formats = ["%Y-%m-%d"]
    default_error_messages = {
        "invalid": "Write a date, or a date and time, such as 2026-05-31 or 2026-05-31T20:15:00Z."
    }

    def to_python(self, value: Any) -> datetime | None:
        """Return the moment. Raises ValidationError."""
        moment: datetime | None = super().to_python(value)
        if moment is None:
            return None
        try:
            # PostgreSQL does not know every distance from UTC that Python knows.
            return moment.astimezone(UTC)
        except OverflowError:  # some hours before the year 1 or after the year 9999: nothing is there
            return datetime.min.replace(tzinfo=UTC) if moment.year == 1 else datetime.max.replace(tzinfo=UTC)


class MomentFilter(django_filters.IsoDateTimeFilter):
    """Compares with a point in time."""

    field_class = MomentField


class AmountFilter(django_filters.NumberFilter):
    """Compares with a finite number."""

    field_class = forms.FloatField

    def get_max_validator(self) -> None:
        """Set no limit: the library has one against numbers that a decimal column cannot hold."""


class YesNoField(forms.Field):
    """`true` or `false`."""

    default_error_messages = {"invalid": "Write true or false."}

    def to_python(self, value: str | None) -> bool | None:
        """Return the value, None for nothing. Raises ValidationError."""
        if value in EMPTY_VALUES:
            return None
        if value not in ("true", "false"):
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return value == "true"


class YesNoFilter(django_filters.BooleanFilter):
    """Knows `true` and `false` only; the library's own takes any other word for no filter at all."""

    field_class = YesNoField


class Ordering(django_filters.OrderingFilter):
    """Orders by any number of names, each with `-` for descending; what has no value comes last."""

    def __init__(self, by: Mapping[str, Any], default: tuple[str, ...]) -> None:
        self.by = by
        self.default = default
        text = f"Names separated by commas, with `-` for descending order. Without it: `{','.join(default)}`."
        super().__init__(fields={name: name for name in by}, help_text=text)

    def filter(self, queryset: QuerySet[Any], value: list[str] | None) -> QuerySet[Any]:
        """Return the rows in order."""
        # Naming one a second time changes nothing: only its first place counts.
        wanted: dict[str, bool] = {}
        for name in [name for name in value or () if name] or self.default:
            wanted.setdefault(name.removeprefix("-"), name.startswith("-"))
        order = [
            self.by[name].desc(nulls_last=True) if descending else self.by[name].asc(nulls_last=True)
            for name, descending in wanted.items()
        ]
        return queryset.order_by(*order, "id")


def require_known_parameters(request: Request, filters: type[FilterSet] | None = None) -> None:
    """Raise ValidationError (400) for a parameter that does not exist, is there twice, or is empty and must not be.

    Lists have their filters and the number of a page, everything else (None) has no parameters. A filter with a slip in
    its name, or with a variable of a script that was never set, would otherwise answer with everything.
    """
    may_be_empty = {} if filters is None else _known_parameters(filters)
    errors = {}
    for name, values in request.query_params.lists():
        if name not in may_be_empty:
            names = ", ".join(sorted(may_be_empty)) or "none"
            errors[name] = [f"There is no such parameter here. There are: {names}."]
        elif len(values) > 1:
            errors[name] = ["It is given more than once."]
        elif values == [""] and not may_be_empty[name]:
            errors[name] = ["It is empty. Leave it out, or give it a value."]
    if errors:
        raise ValidationError(errors)


def _known_parameters(filters: type[FilterSet]) -> dict[str, bool]:
    """Return the parameters of a list and whether they may be empty: a search field and an order may, as if absent."""
    textual = (django_filters.CharFilter, Ordering)
    return {
        **{name: isinstance(kind, textual) for name, kind in filters.base_filters.items()},
        Pages.page_query_param: False,
        Pages.page_size_query_param: False,
    }
