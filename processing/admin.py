"""Jobs in the admin, and recordings that are to be made again. Staff look, cancel and try again; rows stay."""

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin import ActionLocation
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html

from catalog.admin import RecordingAdmin
from catalog.look_only import LookOnly
from catalog.models import Recording
from catalog.templatetags.measures import clock
from processing.errors import ProcessingError
from processing.jobs import again, listing, transitions
from processing.models import Job, JobEvent

EVERYWHERE = [ActionLocation.CHANGE_LIST, ActionLocation.CHANGE_FORM]
# Answers to what concerns many rows name so many refusals.
MOST_REFUSALS = 5


class EventInline(LookOnly, admin.TabularInline):  # type: ignore[type-arg]
    """What happened to a job."""

    model = JobEvent
    fields = ["at", "attempt", "worker", "detail"]  # each row is headed by what it was
    readonly_fields = ["at", "attempt", "worker", "detail"]
    ordering = ["id"]


@admin.register(Job)
class JobAdmin(LookOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """Jobs."""

    list_display = ["filename", "profile", "state", "done", "attempts", "asked", "created_at"]
    list_select_related = ["profile", "uploader"]
    list_filter = ["state", "profile", "origin", "mode", "strategy_name", "created_at"]
    list_per_page = 50
    search_fields = ["filename", "output_name", "error_code", "file_hash__startswith"]
    inlines = [EventInline]
    actions = ["cancel", "try_again"]
    fieldsets = [
        (None, {"fields": ["filename", "profile", "link", ("state", "step", "done"), "took", "asked"]}),
        ("What came of it", {"fields": ["error_code", "error_text", "traceback"]}),
        (
            "What is wanted",
            {"fields": [("strategy_name", "mode"), "output_name", "source", "file_hash", "file_size_bytes"]},
        ),
        ("How it runs", {"fields": [("queue", "priority", "is_remote"), ("attempts", "worker"), "remote_deadline_at"]}),
        ("When", {"fields": [("created_at", "started_at", "heartbeat_at", "finished_at")]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        """Leave out what lists do not show and is large."""
        jobs: QuerySet[Job] = super().get_queryset(request)
        return jobs.defer("profile__index_json", "error_detail")

    @admin.display(description="progress", ordering="progress")
    def done(self, job: Job) -> str:
        """How much of it is done."""
        return f"{job.percent} %"

    @admin.display
    def took(self, job: Job) -> str:
        """How long it was worked on."""
        lasted = listing.lasted(job)
        return "" if lasted is None else clock(lasted.total_seconds())

    @admin.display(description="asked for")
    def asked(self, job: Job) -> str:
        """By whom or what."""
        return listing.asked_by(job)

    @admin.display(description="technical part")
    def traceback(self, job: Job) -> str:
        """What the program has to say about a failure."""
        return format_html("<pre>{}</pre>", job.error_detail) if job.error_detail else ""

    @admin.display(description="recording")
    def link(self, job: Job) -> str:
        """Where its recording is."""
        if job.recording is None:
            return ""
        place = reverse("recording", args=[job.profile.name, job.recording.output_name])
        return format_html('<a href="{}">{}</a>', place, job.recording)

    @admin.action(description="Cancel", location=EVERYWHERE)
    def cancel(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """Cancel those that are not over."""
        who = str(request.user)
        count = sum(transitions.cancel(job.pk, who) for job in queryset.filter(state__in=Job.ACTIVE))
        self.message_user(request, f"{count} jobs were cancelled.", messages.SUCCESS if count else messages.WARNING)

    @admin.action(description="Try again", description_plural="Try again what failed", location=EVERYWHERE)
    def try_again(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """Queue what failed or was cancelled."""
        failed = queryset.filter(state__in=again.FAILED).select_related("profile")
        made, refusals = 0, []
        for job in failed.order_by("created_at"):
            try:
                made += again.retry(job, request.user)[1]
            except ProcessingError as refusal:
                refusals.append(str(refusal))
        _tell(request, f"{made} jobs were queued again.", made, refusals)


def _ways() -> list[tuple[str, str]]:
    return [(name, name) for name in sorted(settings.STEMSET.strategies)]


class AgainForm(forms.Form):
    """How recordings are to be made again."""

    strategy = forms.ChoiceField(choices=_ways)
    mode = forms.ChoiceField(
        label="What is there",
        choices=[
            (Job.Mode.BESIDE, "stays, and the new one comes beside it"),
            (Job.Mode.REPLACE, "is replaced: name, address and mixes stay, its stems go"),
        ],
        initial=Job.Mode.BESIDE,
        widget=forms.RadioSelect,
    )


admin.site.unregister(Recording)


@admin.register(Recording)
class RecordingWithJobsAdmin(RecordingAdmin):
    """Recordings, which can be made again here. The catalogue knows nothing of how they are made."""

    actions = ["process_again"]

    @admin.action(description="Process again with another strategy…", location=EVERYWHERE)
    def process_again(self, request: HttpRequest, queryset: QuerySet[Recording]) -> HttpResponse | None:
        """Ask how, then queue it."""
        recordings = list(queryset.select_related("profile"))
        form = AgainForm(request.POST if "apply" in request.POST else None)
        if not form.is_valid():
            context = {
                **self.admin_site.each_context(request),
                "title": "Process again with another strategy",
                "opts": self.opts,
                "form": form,
                "recordings": recordings,
                "checkbox": ACTION_CHECKBOX_NAME,
                "list": reverse("admin:catalog_recording_changelist"),
            }
            return TemplateResponse(request, "admin/catalog/recording/again.html", context)
        strategy, mode = form.cleaned_data["strategy"], Job.Mode(form.cleaned_data["mode"])
        made, refusals = 0, []
        for recording in recordings:
            try:
                made += again.process_again(recording, strategy, mode, request.user)[1]
            except ProcessingError as refusal:
                refusals.append(str(refusal))
        _tell(request, f"{made} recordings are made again with {strategy}.", made, refusals)
        return None


def _tell(request: HttpRequest, done: str, count: int, refusals: list[str]) -> None:
    if count or not refusals:
        messages.success(request, done)
    for text in refusals[:MOST_REFUSALS]:
        messages.error(request, text)
    if len(refusals) > MOST_REFUSALS:
        messages.error(request, f"And {len(refusals) - MOST_REFUSALS} more were refused.")
