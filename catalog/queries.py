"""What the pages read. Each function costs the same number of queries for two rows as for fifty."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.core.paginator import Page, Paginator
from django.db.models import Count, Exists, F, Max, OuterRef, Prefetch, Q, QuerySet, Subquery, Value
from django.db.models.expressions import OrderBy
from django.db.models.functions import Coalesce, Lower, NullIf

from catalog.models import Profile, Recording, Stem

PER_PAGE = 25
# Longer searches are cut: nothing in the catalogue would match them anyway.
SEARCH_LENGTH, SEARCH_WORDS = 200, 8
# Top to bottom as on most mixing desks; stems of other names follow.
STEM_ORDER = ("vocals", "drums", "bass", "other")


@dataclass(frozen=True)
class Entry:
    """A recording with what a page tells about it."""

    recording: Recording
    stems: list[Stem]

    @property
    def duration_seconds(self) -> float:
        """How long it plays: stems are equally long, but old ones may differ."""
        return max((stem.duration_seconds for stem in self.stems), default=0.0)

    @property
    def quarters(self) -> list[float]:
        """Where its four quarters begin."""
        return [self.duration_seconds * quarter / 4 for quarter in range(4)]

    @property
    def loudest_first(self) -> list[Stem]:
        """Its stems, silent ones last."""
        return sorted(self.stems, key=lambda stem: float("inf") if stem.measured_lufs is None else -stem.measured_lufs)

    @property
    def source_filename(self) -> str:
        """The file it was made from."""
        return next((stem.audio_file.filename for stem in self.stems), "")


@dataclass(frozen=True)
class ProfileCard:
    """A profile with how much it holds and what came last."""

    profile: Profile
    recording_count: int
    newest: Entry | None


@dataclass(frozen=True)
class Sort:
    """A way to put recordings in order."""

    label: str
    order: tuple[OrderBy | str, ...]


# What people see a recording called, for sorting.
TITLE = Lower(Coalesce(NullIf("display_name", Value("")), "output_name"))
# Every order ends with the id, so that no recording is on two pages or on none.
SORTS = {
    "newest": Sort("Newest first", ("-created_at", "id")),
    "oldest": Sort("Oldest first", ("created_at", "id")),
    "name": Sort("Name", (TITLE.asc(), "id")),
    "longest": Sort("Longest first", (F("longest").desc(nulls_last=True), "id")),
    "shortest": Sort("Shortest first", (F("longest").asc(nulls_last=True), "id")),
    "loudest": Sort("Loudest first", (F("loudest").desc(nulls_last=True), "id")),
}
DEFAULT_SORT = "newest"


def with_stems(recordings: QuerySet[Recording]) -> QuerySet[Recording]:
    """Fetch stems and their source files along: two queries, however many recordings."""
    stems = Stem.objects.select_related("audio_file").order_by("stem_type")
    return recordings.prefetch_related(Prefetch("stems", stems))


def entry(recording: Recording) -> Entry:
    """Put a recording (with its stems fetched along) into words; the stems come in the order they are shown."""
    rank = {stem_type: place for place, stem_type in enumerate(STEM_ORDER)}
    stems = sorted(recording.stems.all(), key=lambda stem: (rank.get(stem.stem_type, len(rank)), stem.stem_type))
    return Entry(recording, stems)


def profile_cards(profiles: QuerySet[Profile]) -> list[ProfileCard]:
    """Return each profile with its number of recordings and its newest one, in three queries."""
    newest = Recording.objects.filter(profile=OuterRef("pk")).order_by("-created_at", "id").values("pk")[:1]
    counted = list(profiles.annotate(recording_count=Count("recordings"), newest_id=Subquery(newest)).order_by("name"))
    ids = [profile.newest_id for profile in counted if profile.newest_id]
    recordings = with_stems(Recording.objects.filter(pk__in=ids)).in_bulk()
    return [
        ProfileCard(
            profile,
            profile.recording_count,
            entry(recordings[profile.newest_id]) if profile.newest_id in recordings else None,
        )
        for profile in counted
    ]


def search_words(text: str) -> list[str]:
    """Return the words of a search as people and scripts send them."""
    return text.replace("\0", "")[:SEARCH_LENGTH].split()[:SEARCH_WORDS]


def having_words(recordings: QuerySet[Recording], words: Iterable[str]) -> QuerySet[Recording]:
    """Return those recordings that have every word in their name, folder or source file, whatever its case."""
    for word in words:
        from_such_a_file = Stem.objects.filter(recording=OuterRef("pk"), audio_file__filename__icontains=word)
        recordings = recordings.filter(
            Q(display_name__icontains=word) | Q(output_name__icontains=word) | Exists(from_such_a_file)
        )
    return recordings


def find_recordings(profile: Profile, *, words: Iterable[str] = (), sort: str = DEFAULT_SORT) -> QuerySet[Recording]:
    """Return a profile's recordings that have every word (having_words), totally ordered."""
    recordings = having_words(Recording.objects.filter(profile=profile), words)
    if sort in ("longest", "shortest"):
        recordings = recordings.annotate(longest=Max("stems__duration_seconds"))
    if sort == "loudest":
        recordings = recordings.annotate(loudest=Max("stems__measured_lufs"))
    return recordings.order_by(*SORTS[sort].order)


def page_of(recordings: QuerySet[Recording], number: str | None) -> tuple[Page[Recording], list[Entry]]:
    """Return a page (the nearest one, if there is none of that number) and its entries."""
    page = Paginator(with_stems(recordings), PER_PAGE).get_page(number)
    return page, [entry(recording) for recording in page]
