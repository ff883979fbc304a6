"""The pages of the library. They ask catalog.access what may be seen and only render."""

from django.db.models import prefetch_related_objects
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from catalog.access import Action, may, profile_for, recording_for, visible_profiles
from catalog.queries import DEFAULT_SORT, SORTS, entry, find_recordings, page_of, profile_cards, search_words


@require_safe
def library(request: HttpRequest) -> HttpResponse:
    """Show the profiles that the person may open."""
    return render(request, "catalog/library.html", {"cards": profile_cards(visible_profiles(request.user))})


@require_safe
def profile(request: HttpRequest, profile_name: str) -> HttpResponse:
    """Show the recordings of a profile: searched, sorted, a page of them."""
    shown = profile_for(request.user, profile_name)
    words = search_words(request.GET.get("q", ""))
    sort = request.GET.get("sort", DEFAULT_SORT)
    sort = sort if sort in SORTS else DEFAULT_SORT
    page, entries = page_of(find_recordings(shown, words=words, sort=sort), request.GET.get("page"))
    context = {
        "profile": shown,
        "page": page,
        "pages": page.paginator.get_elided_page_range(page.number, on_each_side=1, on_ends=1),
        "entries": entries,
        "q": " ".join(words),
        "sort": sort,
        "sorts": SORTS,
        "may_upload": may(request.user, shown.name, Action.UPLOAD),
    }
    return render(request, "catalog/profile.html", context)


@require_safe
def recording(request: HttpRequest, profile_name: str, output_name: str) -> HttpResponse:
    """Show a recording and play its stems."""
    shown = recording_for(request.user, profile_name, output_name)
    prefetch_related_objects([shown], "stems__audio_file")
    return render(request, "catalog/recording.html", {"recording": shown, "entry": entry(shown)})
