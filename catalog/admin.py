"""The catalogue in the admin: staff look at everything and correct names; nothing here makes or unmakes recordings.

A recording exists with all its stems or not at all, rows and files alike. So recordings and stems are neither added
nor deleted here: rows made by hand would have no files, and deleting rows would leave files behind that nobody owns.
"""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, Max, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from catalog import import_admin, services
from catalog.look_only import LookOnly
from catalog.models import AudioFile, Profile, Recording, Stem
from catalog.templatetags.measures import clock, dbfs, gain, lufs

__all__ = ["import_admin"]  # registers itself


class Measures:
    """Measured values of stems, written for people."""

    @admin.display(description="loudness", ordering="measured_lufs")
    def loudness(self, stem: Stem) -> str:
        """Integrated loudness."""
        return lufs(stem.measured_lufs)

    @admin.display(description="peak", ordering="peak_amplitude")
    def peak(self, stem: Stem) -> str:
        """Largest sample."""
        return dbfs(stem.peak_amplitude)

    @admin.display(description="gain", ordering="stem_gain_adjustment_db")
    def fader(self, stem: Stem) -> str:
        """Where its fader starts."""
        return gain(stem.stem_gain_adjustment_db)

    @admin.display(description="length", ordering="duration_seconds")
    def length(self, row: Stem | AudioFile) -> str:
        """Duration."""
        return clock(row.duration_seconds)


@admin.register(Profile)
class ProfileAdmin(LookOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """Profiles come from config.yaml and are changed there."""

    list_display = ["name", "strategy_name", "source_folder", "recordings", "created_at"]
    search_fields = ["name", "source_folder", "strategy_name"]
    list_filter = ["strategy_name"]
    ordering = ["name"]  # said again, because counting along drops the model's own order

    def get_queryset(self, request: HttpRequest) -> QuerySet[Profile]:
        """Count along."""
        profiles: QuerySet[Profile] = super().get_queryset(request)
        return profiles.annotate(recording_count=Count("recordings"))

    @admin.display(ordering="recording_count")
    def recordings(self, profile: Profile) -> int:
        """How many it has."""
        count: int = profile.recording_count  # type: ignore[attr-defined]  # annotated above
        return count


@admin.register(AudioFile)
class AudioFileAdmin(Measures, LookOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """Source files, to be found by name or by the beginning of their hash."""

    list_display = ["filename", "profile", "length", "file_size_bytes", "hash_provenance", "uploaded_at"]
    list_select_related = ["profile"]
    list_filter = ["profile", "hash_provenance", "uploaded_at"]
    search_fields = ["filename", "file_hash__startswith"]


class NameInput(forms.TextInput):
    """A line for a display name."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"class": "vTextField", "placeholder": "as the folder", **(attrs or {})})


class StemInline(Measures, LookOnly, admin.TabularInline):  # type: ignore[type-arg]
    """A recording's stems: to look at and to listen to."""

    model = Stem
    readonly_fields = ["stem_type", "picture", "player", "loudness", "peak", "fader", "length", "has_peaks"]
    fields = [*readonly_fields]
    ordering = ["stem_type"]

    @admin.display(description="waveform")
    def picture(self, stem: Stem) -> str:
        """Its waveform."""
        return format_html(
            '<img class="stemset-wave" src="{}" width="240" height="32" loading="lazy" alt="Waveform of {}">',
            reverse("media", args=[stem.waveform_url]),
            stem.stem_type,
        )

    @admin.display(description="peaks", boolean=True)
    def has_peaks(self, stem: Stem) -> bool:
        """Whether the mixer can draw it at any zoom."""
        return bool(stem.peaks_url)

    @admin.display(description="audio")
    def player(self, stem: Stem) -> str:
        """A player for it."""
        return format_html(
            '<audio class="stemset-audio" controls preload="none" src="{}" aria-label="{}"></audio>',
            reverse("media", args=[stem.audio_url]),
            stem.stem_type,
        )


@admin.register(Recording)
class RecordingAdmin(LookOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """Recordings; their display names can be corrected, in the list too."""

    list_display = ["output_name", "display_name", "profile", "stem_count", "length", "strategy_name", "created_at"]
    list_editable = ["display_name"]
    list_select_related = ["profile"]
    list_filter = ["profile", "strategy_name", "created_at"]
    list_per_page = 50
    ordering = ["-created_at", "id"]  # as above
    search_fields = ["display_name", "output_name", "stems__audio_file__filename"]
    inlines = [StemInline]
    fields = [
        "display_name",
        ("profile", "output_name"),
        ("strategy_name", "made_by"),
        ("created_at", "updated_at"),
    ]
    readonly_fields = ["profile", "output_name", "strategy_name", "made_by", "created_at", "updated_at"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Staff may rename; everything else on the form is read-only."""
        return True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Recording]:
        """Count and measure along."""
        recordings: QuerySet[Recording] = super().get_queryset(request)
        return recordings.annotate(stem_count=Count("stems"), longest=Max("stems__duration_seconds"))

    def get_changelist_form(self, request: HttpRequest, **kwargs: Any) -> Any:
        """Give names one line each: the column is a text field, whose own widget has ten."""
        return super().get_changelist_form(request, **kwargs, widgets={"display_name": NameInput})

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """One line here as well."""
        return super().get_form(request, obj, change=change, widgets={"display_name": NameInput}, **kwargs)

    def save_model(self, request: HttpRequest, obj: Recording, form: Any, change: bool) -> None:
        """Rename it, if that is what was changed; from the list as well."""
        if "display_name" in form.changed_data:
            services.rename_recording(obj, obj.display_name)

    def view_on_site(self, recording: Recording) -> str:
        """Lead to its page."""
        return reverse("recording", args=[recording.profile.name, recording.output_name])

    @admin.display(description="stems", ordering="stem_count")
    def stem_count(self, recording: Recording) -> int:
        """How many it has."""
        count: int = recording.stem_count  # type: ignore[attr-defined]  # annotated above
        return count

    @admin.display(ordering="longest")
    def length(self, recording: Recording) -> str:
        """Duration of its longest stem."""
        return clock(recording.longest or 0)  # type: ignore[attr-defined]  # annotated above


@admin.register(Stem)
class StemAdmin(Measures, LookOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """All stems, to find the loud, the silent and the clipped ones."""

    list_display = ["stem_type", "recording", "profile", "loudness", "peak", "fader", "length", "file_size_bytes"]
    list_select_related = ["recording__profile"]
    list_filter = ["stem_type", ("measured_lufs", admin.EmptyFieldListFilter), "recording__profile"]
    search_fields = ["stem_type", "recording__display_name", "recording__output_name"]

    @admin.display(ordering="recording__profile__name")
    def profile(self, stem: Stem) -> Profile:
        """Whose it is."""
        return stem.recording.profile
