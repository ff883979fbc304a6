"""The page from which staff bring the older version's store into the catalogue, follow that, and keep the receipts.

What an import does is the business of catalog.importing; its other faces are `manage.py import_metadata` and tests.
"""

import contextlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.timezone import localtime
from django.views.decorators.http import require_GET, require_POST

from catalog.importing import receipts
from catalog.importing.run import Options
from catalog.importing.runs import GOING, going_run
from catalog.importing.sources import storage_store
from catalog.importing.starting import AlreadyGoing, request_cancel, start
from catalog.legacy.stores import LocalStore
from catalog.look_only import LookOnly
from catalog.models import ImportRun, Profile
from catalog.templatetags.measures import clock
from stemset.config.schema import PROFILE_NAME

NAME = "catalog_importrun"


def known_profiles() -> list[str]:
    """Return the names that can be chosen: of config.yaml, of the catalogue, and of folders on this machine.

    A bucket is not asked: the page must open also when it does not answer.
    """
    names = {profile.name for profile in settings.STEMSET.profiles}
    names |= set(Profile.objects.order_by().values_list("name", flat=True))
    with contextlib.suppress(OSError):  # the import will say what is wrong with the folder
        names |= set(LocalStore(Path(settings.MEDIA_ROOT)).profiles())
    return sorted(name for name in names if re.fullmatch(PROFILE_NAME, name))


class ImportForm(forms.Form):
    """What staff may choose. Reading other folders, and everything anew, is for who runs the site."""

    profiles = forms.MultipleChoiceField(
        label="Only these profiles", required=False, widget=forms.CheckboxSelectMultiple, choices=()
    )
    other_profile = forms.RegexField(
        PROFILE_NAME, label="Only this folder of the object store", required=False, max_length=64, strip=True
    )
    overwrite_display_names = forms.BooleanField(
        label="Take the store's names where people renamed here", required=False
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = known_profiles()
        self.fields["profiles"].choices = [(name, name) for name in names]  # type: ignore[attr-defined]
        if isinstance(storage_store(), LocalStore):
            del self.fields["other_profile"]

    def options(self, *, dry_run: bool) -> Options:
        """Return what was chosen."""
        other = self.cleaned_data.get("other_profile")
        profiles = [*self.cleaned_data["profiles"], *([other] if other else [])]
        return Options(
            profiles=sorted(set(profiles)) or None,
            dry_run=dry_run,
            overwrite_display_names=self.cleaned_data["overwrite_display_names"],
        )


@admin.register(ImportRun)
class ImportRunAdmin(LookOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """Runs of the importer: a button for each kind, progress, and receipts."""

    list_display = ["started", "kind", "how_far", "result", "started_by", "took", "receipt"]
    list_select_related = ["started_by"]
    list_per_page = 50
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[ImportRun]:
        """Leave the reports where they are until one is read."""
        runs: QuerySet[ImportRun] = super().get_queryset(request)
        return runs.defer("report")

    def get_urls(self) -> list[URLPattern]:
        """Add what can be done with runs."""

        def route(address: str, view: Callable[..., HttpResponseBase], name: str) -> URLPattern:
            return path(address, self.admin_site.admin_view(view), name=f"{NAME}_{name}")

        return [
            route("start/", require_POST(self.start_view), "start"),
            route("<uuid:run_id>/again/", require_POST(self.again_view), "again"),
            route("<uuid:run_id>/cancel/", require_POST(self.cancel_view), "cancel"),
            route("<uuid:run_id>/progress/", require_GET(self.progress_view), "progress"),
            route("<uuid:run_id>/report/", require_GET(self.report_view), "report"),
            *super().get_urls(),
        ]

    # The list.

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show past runs, and what starts a new one."""
        going = going_run()
        context = {"title": "Imports", "going": going, "form": None if going else ImportForm()}
        response: HttpResponse = super().changelist_view(request, {**context, **(extra_context or {})})
        return response

    @admin.display(description="started", ordering="created_at")
    def started(self, run: ImportRun) -> Any:
        """When."""
        return run.created_at

    @admin.display(description="kind", ordering="dry_run")
    def kind(self, run: ImportRun) -> str:
        """What it was to do."""
        return "Look" if run.dry_run else "Import"

    @admin.display(description="state", ordering="state")
    def how_far(self, run: ImportRun) -> str:
        """How far it has come."""
        done = receipts.percent(run) if run.state in GOING else None
        return receipts.state_in_words(run) + (f", {done} %" if done is not None else "")

    @admin.display(description="folders")
    def result(self, run: ImportRun) -> str:
        """What came of it."""
        return ", ".join(f"{count} {words}" for count, words, _meaning in receipts.totals_in_words(run))

    @admin.display(description="took")
    def took(self, run: ImportRun) -> str:
        """How long it went."""
        return clock((run.finished_at - run.created_at).total_seconds()) if run.finished_at else ""

    @admin.display(description="SHA-256")
    def receipt(self, run: ImportRun) -> str:
        """The beginning of its report's sum; all of it is on the run's page."""
        digest = run.report_sha256
        return format_html('<code title="{}">{}…</code>', digest, digest[:12]) if digest else ""

    # One run.

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show a run: its progress, or what came of it."""
        if request.method not in {"GET", "HEAD"}:
            raise PermissionDenied
        going_run()
        run = self.get_object(request, object_id)
        if run is None:
            raise Http404
        context = {
            **self.admin_site.each_context(request),
            **(extra_context or {}),
            "title": str(run),
            "opts": self.opts,
            "run": run,
            "is_going": run.state in GOING,
            "state": receipts.state_in_words(run),
            "percent": receipts.percent(run),
            "left": receipts.time_left(run),
            "chosen": _chosen(run),
            "can_repeat": not (run.options.get("source") or run.options.get("rebuild")),
            "totals": list(receipts.totals_in_words(run)),
            "receipt": receipts.read_receipt(run) if run.report_sha256 else None,
            "file_name": _file_name(run),
        }
        return TemplateResponse(request, "admin/catalog/importrun/run.html", context)

    def progress_view(self, request: HttpRequest, run_id: UUID) -> HttpResponse:
        """Tell how far a run has come."""
        going_run()
        run = self._run(request, run_id)
        return JsonResponse(
            {
                "state": receipts.state_in_words(run),
                "is_going": run.state in GOING,
                "done": run.folders_done,
                "total": run.folders_total,
                "percent": receipts.percent(run),
                "left": receipts.time_left(run),
            }
        )

    def report_view(self, request: HttpRequest, run_id: UUID) -> FileResponse:
        """Hand out a run's whole report."""
        run = self._run(request, run_id)
        if not run.report_sha256:
            raise Http404
        return FileResponse(
            receipts.report_stream(run),
            as_attachment=True,
            filename=_file_name(run),
            content_type="application/x-ndjson",
        )

    # Buttons.

    def start_view(self, request: HttpRequest) -> HttpResponse:
        """Start a look at the store, or an import."""
        form = ImportForm(request.POST)
        if not form.is_valid():
            wrong = "; ".join(
                f"{form[name].label}: {' '.join(map(str, errors))}" for name, errors in form.errors.items()
            )
            messages.error(request, f"Nothing was started. {wrong}")
            return HttpResponseRedirect(reverse(f"admin:{NAME}_changelist"))
        return self._start(request, form.options(dry_run=request.POST.get("do") != "import"))

    def again_view(self, request: HttpRequest, run_id: UUID) -> HttpResponse:
        """Start what an earlier run did with the same choices: after a look, to import what was seen."""
        run = self._run(request, run_id)
        dry_run = request.POST.get("do") != "import"
        names = bool(run.options.get("overwrite_display_names"))
        return self._start(request, Options(run.options.get("profiles"), None, dry_run, overwrite_display_names=names))

    def cancel_view(self, request: HttpRequest, run_id: UUID) -> HttpResponse:
        """Ask a run to end."""
        run = self._run(request, run_id)
        request_cancel(run.pk)
        return HttpResponseRedirect(reverse(f"admin:{NAME}_change", args=[run.pk]))

    def _start(self, request: HttpRequest, options: Options) -> HttpResponse:
        try:
            run = start(options, request.user)
        except AlreadyGoing as refusal:
            messages.warning(request, f"{refusal} Nothing else was started; this is it.")
            run = refusal.run
        return HttpResponseRedirect(reverse(f"admin:{NAME}_change", args=[run.pk]))

    def _run(self, request: HttpRequest, run_id: UUID) -> ImportRun:
        return get_object_or_404(self.get_queryset(request), pk=run_id)


def _chosen(run: ImportRun) -> list[str]:
    """Say what a run was asked to do, beyond the usual."""
    options = run.options
    profiles = options.get("profiles")
    return [
        f"only {', '.join(profiles)}" if profiles else "all profiles",
        *(["the store's names replace those given here"] if options.get("overwrite_display_names") else []),
        *(["everything read anew"] if options.get("rebuild") else []),
        *([f"from {options['source']}"] if options.get("source") else []),
    ]


def _file_name(run: ImportRun) -> str:
    kind = "look" if run.dry_run else "import"
    return f"stemset-{kind}-{localtime(run.created_at):%Y-%m-%d-%H%M%S}.jsonl"
