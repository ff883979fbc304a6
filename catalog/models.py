"""The catalogue: profiles, source files, recordings and their stems.

Table and column names are a promise to people who query the database directly; docs/architecture.md draws them.
"""

import uuid

from django.conf import settings
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone


class Profile(models.Model):
    """One band or recorder, as config.yaml names it; kept in step by catalog.services.sync_profile."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=64)
    source_folder = models.CharField(max_length=1024)
    strategy_name = models.CharField(max_length=200)
    index_json = models.TextField(
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="The older version's .processed_hashes.json as last read or written.",
    )
    list_version = models.UUIDField(
        db_default=RandomUUID(),
        editable=False,
        help_text="Changes with everything that the list of its recordings shows; triggers see to it.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "profiles"
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["name"], name="profiles_name_unique"),
            # Names are put into URLs and paths as they are.
            models.CheckConstraint(
                condition=Q(name__regex=r"^[A-Za-z0-9][A-Za-z0-9_-]*$"), name="profiles_name_safe_in_a_path"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class AudioFile(models.Model):
    """A source recording, known by its content. It may have been made into recordings of several profiles."""

    class HashProvenance(models.TextChoices):
        """How far `file_hash` can be trusted."""

        CONTENT = "content", "hashed from the file"
        INDEX = "index", "from the old store's index"
        OBJECT_METADATA = "object_metadata", "from the object store's metadata"
        PLACEHOLDER = "placeholder", "made up until the true one is known"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    profile = models.ForeignKey(
        Profile, on_delete=models.PROTECT, related_name="audio_files", help_text="Where it was first seen."
    )
    filename = models.CharField(max_length=1024)
    file_hash = models.CharField(max_length=64, help_text="SHA-256 of the file, in hexadecimal.")
    hash_provenance = models.CharField(max_length=20, choices=HashProvenance, default=HashProvenance.CONTENT)
    storage_url = models.TextField(help_text="Path of the source, or its key in the object store.")
    file_size_bytes = models.BigIntegerField()
    duration_seconds = models.FloatField()
    uploaded_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "audio_files"
        verbose_name = "source file"
        ordering = ["-uploaded_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["file_hash"], name="audio_files_file_hash_unique"),
            models.CheckConstraint(condition=Q(file_size_bytes__gte=0), name="audio_files_size_not_negative"),
            models.CheckConstraint(
                condition=Q(duration_seconds__gte=0, duration_seconds__lt=float("inf")),
                name="audio_files_duration_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(hash_provenance__in=["content", "index", "object_metadata", "placeholder"]),
                name="audio_files_hash_provenance_known",
            ),
        ]

    def __str__(self) -> str:
        return self.filename


class Recording(models.Model):
    """What band members open: one source, separated. It exists with all its stems or not at all."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    profile = models.ForeignKey(Profile, on_delete=models.PROTECT, related_name="recordings")
    output_name = models.CharField(max_length=255, help_text="Its folder's name in storage.")
    display_name = models.TextField(blank=True, help_text="What people see; empty means the folder's name.")
    strategy_name = models.CharField(max_length=200, blank=True, help_text="The strategy that made it.")
    made_by = models.JSONField(default=dict, blank=True, help_text="Models of that strategy and their versions.")
    metadata_json = models.TextField(
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="Its metadata.json in the store as last read or written, character for character.",
    )
    imported_at = models.DateTimeField(null=True, blank=True, help_text="When it came from the JSON store, if it did.")
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(auto_now=True, db_default=Now())

    class Meta:
        db_table = "recordings"
        ordering = ["-created_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["profile", "output_name"], name="recordings_profile_output_name_unique"),
        ]
        indexes = [
            models.Index(fields=["profile", "-created_at", "id"], name="recordings_newest_first"),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def title(self) -> str:
        """What people see."""
        return self.display_name or self.output_name


class Stem(models.Model):
    """One separated track of a recording."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    recording = models.ForeignKey(Recording, on_delete=models.CASCADE, related_name="stems")
    audio_file = models.ForeignKey(AudioFile, on_delete=models.PROTECT, related_name="stems")
    stem_type = models.CharField(max_length=64)
    measured_lufs = models.FloatField(
        null=True, blank=True, help_text="Integrated loudness (ITU-R BS.1770-4); empty for silence."
    )
    peak_amplitude = models.FloatField(help_text="Largest sample, full scale is 1.")
    stem_gain_adjustment_db = models.FloatField(help_text="Where its fader starts.")
    audio_url = models.CharField(max_length=1024, help_text="Relative to the media folder or bucket.")
    waveform_url = models.CharField(max_length=1024, help_text="Relative to the media folder or bucket.")
    peaks_url = models.CharField(
        max_length=1024,
        blank=True,
        default="",
        db_default="",
        help_text="What the mixer draws it from, relative to the media folder or bucket; empty where there is none.",
    )
    file_size_bytes = models.BigIntegerField()
    duration_seconds = models.FloatField()
    file_sha256 = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="SHA-256 of its audio file; empty until it was computed.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "stems"
        ordering = ["recording", "stem_type"]
        constraints = [
            models.UniqueConstraint(fields=["recording", "stem_type"], name="stems_recording_stem_type_unique"),
            models.CheckConstraint(condition=Q(file_size_bytes__gte=0), name="stems_size_not_negative"),
            # PostgreSQL sorts NaN above infinity, so these bounds keep both out.
            models.CheckConstraint(
                condition=Q(duration_seconds__gte=0, duration_seconds__lt=float("inf")),
                name="stems_duration_not_negative",
            ),
            # The lists of the API put it between names.
            models.CheckConstraint(
                condition=~(
                    Q(stem_type__contains="\x1f") | Q(audio_url__contains="\x1f") | Q(waveform_url__contains="\x1f")
                ),
                name="stems_names_without_separator",
            ),
            models.CheckConstraint(
                condition=Q(peak_amplitude__gte=0, peak_amplitude__lt=float("inf")), name="stems_peak_finite"
            ),
            models.CheckConstraint(
                condition=Q(measured_lufs__isnull=True)
                | Q(measured_lufs__gt=float("-inf"), measured_lufs__lt=float("inf")),
                name="stems_loudness_finite",
            ),
            models.CheckConstraint(
                condition=Q(stem_gain_adjustment_db__gt=float("-inf"), stem_gain_adjustment_db__lt=float("inf")),
                name="stems_gain_finite",
            ),
        ]

    def __str__(self) -> str:
        return self.stem_type


class DeletedRecording(models.Model):
    """A recording that somebody deleted, so that neither a scan of the sources nor an import brings it back."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    profile = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="deleted_recordings")
    output_name = models.CharField(max_length=255)
    title = models.TextField(help_text="What people saw.")
    file_hash = models.CharField(max_length=64, blank=True, help_text="Of its source.")
    deleted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    deleted_at = models.DateTimeField(default=timezone.now, db_default=Now())
    files = models.JSONField(
        default=list, db_default=[], blank=True, help_text="Keys of its files, until they are gone from storage."
    )

    class Meta:
        db_table = "deleted_recordings"
        ordering = ["-deleted_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["profile", "output_name"], name="deleted_recordings_profile_output_name_unique"
            ),
        ]
        indexes = [models.Index(fields=["file_hash"], name="deleted_recordings_file_hash")]

    def __str__(self) -> str:
        return self.title

    @property
    def folder(self) -> str:
        """Where it was in storage, `<profile>/<output_name>`."""
        return f"{self.profile.name}/{self.output_name}"

    @property
    def reason(self) -> str:
        """Why it is not there, in words: who deleted it (if they still have an account here) and when."""
        by = f" by {self.deleted_by}" if self.deleted_by else ""
        return f"was deleted here on {self.deleted_at:%Y-%m-%d}{by}"


class Mix(models.Model):
    """How somebody left a recording: three documents of the existing client's making, and one of our own page's."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="mixes")
    recording = models.ForeignKey(Recording, on_delete=models.CASCADE, related_name="mixes")
    playback_position = models.JSONField(null=True)
    stems = models.JSONField(null=True)
    effects = models.JSONField(null=True)
    updated_at = models.DateTimeField(auto_now=True, db_default=Now(), help_text="When one of those three was kept.")
    practice = models.JSONField(
        null=True, help_text="Our own page's: faders, loops, speed … It alone writes and shows it."
    )
    practised_at = models.DateTimeField(null=True, help_text="When that was kept.")

    class Meta:
        db_table = "mixes"
        verbose_name_plural = "mixes"
        constraints = [
            models.UniqueConstraint(fields=["user", "recording"], name="mixes_user_recording_unique"),
        ]

    def __str__(self) -> str:
        return f"Mix of {self.recording_id}"


class ImportRun(models.Model):
    """A run of the importer: its progress while it goes, its receipt afterwards."""

    class State(models.TextChoices):
        """How far it has come. A run whose process died becomes `failed` when somebody looks."""

        WAITING = "waiting", "about to start"
        RUNNING = "running", "running"
        DONE = "done", "done"
        FAILED = "failed", "could not run"
        CANCELLED = "cancelled", "cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    dry_run = models.BooleanField(default=False)
    options = models.JSONField(default=dict, blank=True, help_text="What it was asked to do.")
    message = models.TextField(blank=True, default="", help_text="Why it could not run, if so.")
    folders_total = models.IntegerField(null=True, blank=True)
    folders_done = models.IntegerField(default=0)
    cancel_requested = models.BooleanField(default=False)
    totals = models.JSONField(default=dict, blank=True)
    report = models.BinaryField(default=bytes, help_text="The report, compressed by gzip.")
    report_sha256 = models.CharField(max_length=64, blank=True, default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "import_runs"
        verbose_name = "import"
        ordering = ["-created_at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "running", "done", "failed", "cancelled"]),
                name="import_runs_state_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{'Look' if self.dry_run else 'Import'} of {self.created_at:%Y-%m-%d %H:%M}"
