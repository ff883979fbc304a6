"""Our own API over the catalogue: recordings, stems and source files, in lists and one by one."""

from typing import Any

from django.db.models import Model, Prefetch, QuerySet
from django.http import Http404
from django_filters.rest_framework import DjangoFilterBackend, FilterSet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from catalog.access import (
    NO_RECORDING,
    Action,
    gone_is_missing,
    recording_by_id,
    visible_audio_files,
    visible_recordings,
    visible_stems,
)
from catalog.api.conditional import ConditionalAnswers
from catalog.api.contract_input import DisplayName
from catalog.api.filter_kinds import require_known_parameters
from catalog.api.filters import AudioFileFilters, RecordingFilters, StemFilters
from catalog.api.pagination import Pages
from catalog.api.serializers import (
    AudioFileForMembersSerializer,
    AudioFileSerializer,
    Done,
    RecordingSerializer,
    StemSerializer,
)
from catalog.deleting import delete_recording
from catalog.models import AudioFile, Recording, Stem
from catalog.services import rename_recording


class CatalogueViewSet(ConditionalAnswers, ReadOnlyModelViewSet):
    """What the lists and their rows have in common: pages, filters, and 404 for what one may not see."""

    lookup_value_converter = "uuid"
    filter_backends = [DjangoFilterBackend]
    pagination_class = Pages
    filterset_class: type[FilterSet]
    nothing_found: str

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse strangers, then parameters that do not exist. Only lists have any."""
        super().initial(request, *args, **kwargs)
        if self.action == "list":
            require_known_parameters(request, self.filterset_class)
        elif self.action in ("retrieve", "partial_update", "destroy"):
            require_known_parameters(request)

    def get_object(self) -> Model:
        """Return the row of the address. Raises Http404."""
        found: Model | None = self.get_queryset().filter(pk=self.kwargs["pk"]).first()
        if found is None:
            raise Http404(self.nothing_found)
        return found


@extend_schema_view(
    list=extend_schema(
        summary="List recordings",
        description=(
            "The recordings of all profiles that the person may open, newest first, with their stems. `stem_type`, "
            "`loudness_min` and `loudness_max` speak of one and the same stem: together they find recordings with, for "
            "instance, vocals of at least −20 LUFS."
        ),
    ),
    retrieve=extend_schema(summary="Get a recording", description="One recording with its stems."),
)
@extend_schema(tags=["recordings"])
class Recordings(CatalogueViewSet):
    """Recordings."""

    http_method_names = ["get", "head", "patch", "delete", "options"]
    serializer_class = RecordingSerializer
    filterset_class = RecordingFilters
    queryset = Recording.objects.none()
    nothing_found = NO_RECORDING

    def get_queryset(self) -> QuerySet[Recording]:
        """Return what the person may see, without the columns that are large."""
        # A profile has large columns too: its name is all that is wanted of it.
        recordings = visible_recordings(self.request.user).select_related("profile")
        stems = Prefetch("stems", Stem.objects.order_by("stem_type"))
        return recordings.only(*_columns(Recording, "metadata_json"), "profile__name").prefetch_related(stems)

    @extend_schema(
        summary="Rename a recording",
        description="Give it the name that people see. An empty one shows the folder's name again.",
        request=DisplayName,
    )
    def partial_update(self, request: Request, pk: Any) -> Response:
        """Rename a recording, and answer with it."""
        recording = recording_by_id(request.user, pk, Action.RENAME)
        change = DisplayName(data=request.data)
        change.is_valid(raise_exception=True)
        with gone_is_missing():
            rename_recording(recording, change.validated_data["display_name"])
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(
        summary="Delete a recording",
        description=(
            "Delete it with its stems and files; for leaders and staff. The source file stays where it is, but neither "
            "a scan nor an import makes the recording again by itself."
        ),
        responses=Done,
    )
    def destroy(self, request: Request, pk: Any) -> Response:
        """Delete a recording."""
        with gone_is_missing():
            delete_recording(recording_by_id(request.user, pk, Action.DELETE), request.user)
        return Response({"success": True})


@extend_schema_view(
    list=extend_schema(
        summary="List stems", description="The stems of all recordings that the person may open, newest first."
    ),
    retrieve=extend_schema(summary="Get a stem", description="One stem."),
)
@extend_schema(tags=["stems"])
class Stems(CatalogueViewSet):
    """Stems."""

    http_method_names = ["get", "head", "options"]
    serializer_class = StemSerializer
    filterset_class = StemFilters
    queryset = Stem.objects.none()
    nothing_found = "There is no such stem."

    def get_queryset(self) -> QuerySet[Stem]:
        """Return what the person may see."""
        return visible_stems(self.request.user)


@extend_schema_view(
    list=extend_schema(
        summary="List source files",
        description=(
            "The files that the recordings which the person may open were made from, newest first. Members get a "
            "file's own name as `storage_url` and no `profile`; staff the whole of both."
        ),
        responses=AudioFileSerializer(many=True),
    ),
    retrieve=extend_schema(summary="Get a source file", description="One source file.", responses=AudioFileSerializer),
)
@extend_schema(tags=["audio files"])
class AudioFiles(CatalogueViewSet):
    """Source files."""

    http_method_names = ["get", "head", "options"]
    filterset_class = AudioFileFilters
    queryset = AudioFile.objects.none()
    nothing_found = "There is no such audio file."

    def get_serializer_class(self) -> type[AudioFileSerializer]:
        """Return how it is shown to this person."""
        return AudioFileSerializer if self.request.user.is_staff else AudioFileForMembersSerializer

    def get_queryset(self) -> QuerySet[AudioFile]:
        """Return what the person may see; staff also where it was first seen."""
        files = visible_audio_files(self.request.user)
        if not self.request.user.is_staff:
            return files
        return files.select_related("profile").only(*_columns(AudioFile), "profile__name")


def _columns(model: type[Model], *but: str) -> list[str]:
    """Return the names of a table's columns but for some."""
    return [field.attname for field in model._meta.concrete_fields if field.name not in but]
