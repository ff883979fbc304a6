"""The pages of the library. They ask catalog.access what may be seen and only render."""

from django.conf import settings
from django.db.models import prefetch_related_objects
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csp import csp_override
from django.views.decorators.http import require_safe

from catalog.access import Action, may, profile_for, recording_for, visible_profiles
from catalog.media_urls import media_url
from catalog.models import Stem
from catalog.queries import DEFAULT_SORT, SORTS, entry, find_recordings, page_of, profile_cards, search_words

# What the mixer offers at a tap, in percent.
PRACTICE_SPEEDS = (50, 60, 70, 80, 90, 100)
# player/effects/eq.js has the bands; here are their names.
EQUALISER_BANDS = ("80 Hz", "250 Hz", "1 kHz", "3.5 kHz", "10 kHz")


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
    """Show a recording and practise with its stems."""
    shown = recording_for(request.user, profile_name, output_name)
    prefetch_related_objects([shown], "stems__audio_file")
    told = entry(shown)
    context = {
        "recording": shown,
        "entry": told,
        "stems": [_for_the_mixer(stem) for stem in told.stems],
        # Of a mix with an unknown stem it would be wrong.
        "has_loudness": all(stem.peaks_url for stem in told.stems),
        "speeds": PRACTICE_SPEEDS,
        "equaliser": EQUALISER_BANDS,
        "bars": range(1, 13),
    }
    # The player stretches time by WebAssembly, and fetches pieces of files from where they lie.
    policy = settings.SECURE_CSP | {
        "script-src": [*settings.SECURE_CSP["script-src"], "'wasm-unsafe-eval'"],
        "connect-src": ["'self'", *settings.MEDIA_ORIGINS],
    }
    return csp_override(policy)(render)(request, "catalog/recording.html", context)


def _for_the_mixer(stem: Stem) -> dict[str, str | float | None]:
    """Return what the page's script needs to know of a stem."""
    return {
        "id": stem.stem_type,
        "type": stem.stem_type,
        "url": media_url(stem.audio_url),
        "picture": media_url(stem.waveform_url, is_waveform=True),
        "peaks": media_url(stem.peaks_url) if stem.peaks_url else None,
        "gainDb": stem.stem_gain_adjustment_db,
        "duration": stem.duration_seconds,
        "size": stem.file_size_bytes,
    }
