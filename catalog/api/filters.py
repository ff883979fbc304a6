"""What the lists can be asked for, and in which order they come. Every order is total: it ends with the id."""

from typing import Any

import django_filters
from django.core.validators import EMPTY_VALUES
from django.db.models import Exists, F, FloatField, Max, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Lower
from django_filters.rest_framework import FilterSet

from catalog.api.filter_kinds import AmountFilter, MomentFilter, Ordering, YesNoFilter
from catalog.models import AudioFile, Recording, Stem
from catalog.queries import SEARCH_LENGTH, SEARCH_WORDS, TITLE, having_words, search_words

NEWEST_FIRST = ("-created_at",)


def _of_stems(column: str) -> Subquery:
    """Return the largest value that a column has in a recording's stems."""
    stems = Stem.objects.filter(recording=OuterRef("pk")).order_by().values("recording")
    return Subquery(stems.annotate(largest=Max(column)).values("largest"))


# As the answer's duration_seconds: a recording without stems does not last.
DURATION = Coalesce(_of_stems("duration_seconds"), Value(0.0), output_field=FloatField())
LOUDNESS = _of_stems("measured_lufs")


class RecordingFilters(FilterSet):
    """Recordings. `stem_type`, `loudness_min` and `loudness_max` speak of one and the same stem."""

    q = django_filters.CharFilter(
        method="having_words",
        help_text=(
            "Words, each of which must be part of the name, the folder's name or the source file's name, whatever the "
            f"case. At most {SEARCH_WORDS} words of {SEARCH_LENGTH} characters together count."
        ),
    )
    profile = django_filters.CharFilter(field_name="profile__name", help_text="The name of its profile.")
    strategy_name = django_filters.CharFilter(help_text="The strategy that made it.")
    created_after = MomentFilter(
        field_name="created_at", lookup_expr="gte", help_text="At that moment or later; a date means its beginning."
    )
    created_before = MomentFilter(
        field_name="created_at", lookup_expr="lt", help_text="Before that moment; a date means its beginning."
    )
    duration_min = AmountFilter(method="lasting_at_least", help_text="At least so many seconds long.")
    duration_max = AmountFilter(method="lasting_at_most", help_text="At most so many seconds long.")
    stem_type = django_filters.CharFilter(method="of_one_stem", help_text="Has such a stem.")
    loudness_min = AmountFilter(method="of_one_stem", help_text="Has a stem at least so loud, in LUFS.")
    loudness_max = AmountFilter(method="of_one_stem", help_text="Has a stem at most so loud, in LUFS.")
    ordering = Ordering(
        {
            "created_at": F("created_at"),
            "updated_at": F("updated_at"),
            "name": TITLE,
            "duration": DURATION,
            "loudness": LOUDNESS,
        },
        default=NEWEST_FIRST,
    )

    def filter_queryset(self, queryset: QuerySet[Recording]) -> QuerySet[Recording]:
        """Return what fits everything that is asked for."""
        queryset = super().filter_queryset(queryset)
        asked = {
            "stem_type": self.form.cleaned_data["stem_type"],
            "measured_lufs__gte": self.form.cleaned_data["loudness_min"],
            "measured_lufs__lte": self.form.cleaned_data["loudness_max"],
        }
        of_stem = {lookup: value for lookup, value in asked.items() if value not in EMPTY_VALUES}
        if of_stem:
            queryset = queryset.filter(Exists(Stem.objects.filter(recording=OuterRef("pk"), **of_stem)))
        return queryset

    def having_words(self, queryset: QuerySet[Recording], _name: str, value: str) -> QuerySet[Recording]:
        """Return what has the words of a search."""
        return having_words(queryset, search_words(value))

    def lasting_at_least(self, queryset: QuerySet[Recording], _name: str, value: float) -> QuerySet[Recording]:
        """Return what is so long or longer."""
        return queryset.alias(duration=DURATION).filter(duration__gte=value)

    def lasting_at_most(self, queryset: QuerySet[Recording], _name: str, value: float) -> QuerySet[Recording]:
        """Return what is so long or shorter."""
        return queryset.alias(duration=DURATION).filter(duration__lte=value)

    def of_one_stem(self, queryset: QuerySet[Recording], _name: str, _value: Any) -> QuerySet[Recording]:
        """Return everything: these are asked together, in filter_queryset."""
        return queryset


class StemFilters(FilterSet):
    """Stems of any recording."""

    profile = django_filters.CharFilter(field_name="recording__profile__name", help_text="The name of its profile.")
    recording = django_filters.UUIDFilter(field_name="recording_id", help_text="The id of its recording.")
    audio_file = django_filters.UUIDFilter(field_name="audio_file_id", help_text="The id of its source file.")
    stem_type = django_filters.CharFilter(help_text="Its name, such as `vocals`.")
    silent = YesNoFilter(
        field_name="measured_lufs", lookup_expr="isnull", help_text="Whether it has no measurable loudness."
    )
    loudness_min = AmountFilter(field_name="measured_lufs", lookup_expr="gte", help_text="At least so loud, in LUFS.")
    loudness_max = AmountFilter(field_name="measured_lufs", lookup_expr="lte", help_text="At most so loud, in LUFS.")
    peak_min = AmountFilter(field_name="peak_amplitude", lookup_expr="gte", help_text="Full scale is 1.")
    peak_max = AmountFilter(field_name="peak_amplitude", lookup_expr="lte", help_text="Full scale is 1.")
    duration_min = AmountFilter(field_name="duration_seconds", lookup_expr="gte", help_text="In seconds.")
    duration_max = AmountFilter(field_name="duration_seconds", lookup_expr="lte", help_text="In seconds.")
    ordering = Ordering(
        {
            "created_at": F("created_at"),
            "recording": F("recording_id"),
            "stem_type": F("stem_type"),
            "loudness": F("measured_lufs"),
            "peak": F("peak_amplitude"),
            "duration": F("duration_seconds"),
            "file_size": F("file_size_bytes"),
        },
        default=NEWEST_FIRST,
    )


class AudioFileFilters(FilterSet):
    """Source files."""

    file_hash = django_filters.CharFilter(method="of_content", help_text="SHA-256 of the file, in hexadecimal.")
    filename = django_filters.CharFilter(lookup_expr="icontains", help_text="A part of its name, whatever the case.")
    hash_provenance = django_filters.ChoiceFilter(
        choices=AudioFile.HashProvenance.choices, help_text="How far `file_hash` can be trusted."
    )
    duration_min = AmountFilter(field_name="duration_seconds", lookup_expr="gte", help_text="In seconds.")
    duration_max = AmountFilter(field_name="duration_seconds", lookup_expr="lte", help_text="In seconds.")
    uploaded_after = MomentFilter(
        field_name="uploaded_at", lookup_expr="gte", help_text="At that moment or later; a date means its beginning."
    )
    uploaded_before = MomentFilter(
        field_name="uploaded_at", lookup_expr="lt", help_text="Before that moment; a date means its beginning."
    )
    ordering = Ordering(
        {
            "uploaded_at": F("uploaded_at"),
            "filename": Lower("filename"),
            "duration": F("duration_seconds"),
            "file_size": F("file_size_bytes"),
        },
        default=("-uploaded_at",),
    )

    def of_content(self, queryset: QuerySet[AudioFile], _name: str, value: str) -> QuerySet[AudioFile]:
        """Return the file of that content, however its hash is written."""
        return queryset.filter(file_hash=value.lower())
