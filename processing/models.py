"""Jobs: what people see of the work that is to be done. How it runs is procrastinate's business."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from catalog.models import AudioFile, Profile, Recording


class Job(models.Model):
    """One source to be made into a recording: asked for, under way, or over. This row is the truth about it.

    A message of the queue (processing.jobs.queue) only says that somebody should look at it.
    """

    class State(models.TextChoices):
        """How far it has come."""

        QUEUED = "queued", "waiting"
        SEPARATING = "separating", "separating"
        ANALYSING = "analysing", "measuring and encoding"
        STORING = "storing", "storing"
        COMPLETE = "complete", "complete"
        ERROR = "error", "failed"
        CANCELLED = "cancelled", "cancelled"

    class Origin(models.TextChoices):
        """Who asked for it."""

        UPLOAD = "upload", "an upload"
        SCAN = "scan", "a scan of the source folder"
        COMMAND = "command", "manage.py process"
        AGAIN = "again", "somebody who wants it made again"

    class Mode(models.TextChoices):
        """What is to become of a recording that the profile has of this source already."""

        ONCE = "once", "kept as it is"
        REPLACE = "replace", "made again in its place"
        BESIDE = "beside", "joined by a second one"

    RUNNING = (State.SEPARATING, State.ANALYSING, State.STORING)
    ACTIVE = (State.QUEUED, *RUNNING)
    OVER = (State.COMPLETE, State.ERROR, State.CANCELLED)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    profile = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="jobs")
    audio_file = models.ForeignKey(AudioFile, null=True, blank=True, on_delete=models.SET_NULL, related_name="jobs")
    recording = models.ForeignKey(Recording, null=True, blank=True, on_delete=models.SET_NULL, related_name="jobs")
    uploader = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="jobs"
    )
    strategy_name = models.CharField("strategy", max_length=200)
    origin = models.CharField(max_length=10, choices=Origin)
    mode = models.CharField(max_length=10, choices=Mode, default=Mode.ONCE, db_default=Mode.ONCE)
    filename = models.CharField(max_length=1024)
    file_hash = models.CharField(max_length=64, help_text="SHA-256 of the source.")
    file_size_bytes = models.BigIntegerField()
    source = models.TextField(help_text="Its key in storage (inputs/…), or its absolute path on the machine.")
    output_name = models.CharField(max_length=255, help_text="The recording's folder.")
    is_remote = models.BooleanField(default=False, db_default=False, help_text="Done by the remote GPU worker.")
    queue = models.CharField(max_length=128)
    priority = models.IntegerField(default=0, db_default=0, help_text="Higher goes first.")

    state = models.CharField(max_length=10, choices=State, default=State.QUEUED, db_default=State.QUEUED)
    step = models.CharField(max_length=20, blank=True, default="", db_default="")
    progress = models.FloatField(default=0.0, db_default=0.0, help_text="Finished part of the whole, 0 to 1.")
    attempts = models.IntegerField(default=0, db_default=0)
    stems = models.JSONField(null=True, blank=True, help_text="Names of the stems, when it is complete.")
    error_code = models.CharField(max_length=64, blank=True, default="", db_default="")
    error_text = models.TextField(blank=True, default="", db_default="", help_text="For everybody.")
    error_detail = models.TextField(blank=True, default="", db_default="", help_text="For staff.")
    worker = models.CharField(max_length=255, blank=True, default="", db_default="")
    created_at = models.DateTimeField(db_default=Now(), default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    remote_deadline_at = models.DateTimeField(
        null=True, blank=True, help_text="When the remote worker is given up, while it is at it."
    )
    remote_folder = models.CharField(
        max_length=300, blank=True, default="", db_default="", help_text="Where the remote worker puts the stems."
    )
    remote_token = models.CharField(
        max_length=64, blank=True, default="", db_default="", help_text="SHA-256 of the token that it answers with."
    )
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "jobs"
        ordering = ["-created_at", "id"]
        constraints = [
            # Asking twice for the same gives the same job.
            models.UniqueConstraint(
                fields=["profile", "file_hash", "strategy_name"],
                condition=Q(state__in=["queued", "separating", "analysing", "storing"]),
                name="jobs_one_active",
            ),
            models.CheckConstraint(
                condition=Q(
                    state__in=["queued", "separating", "analysing", "storing", "complete", "error", "cancelled"]
                ),
                name="jobs_state_known",
            ),
            models.CheckConstraint(condition=Q(progress__gte=0, progress__lte=1), name="jobs_progress_a_fraction"),
            models.CheckConstraint(condition=Q(attempts__gte=0), name="jobs_attempts_not_negative"),
            models.CheckConstraint(
                condition=Q(
                    state__in=["queued", "separating", "analysing", "storing"],
                    finished_at__isnull=True,
                )
                | Q(state__in=["complete", "error", "cancelled"], finished_at__isnull=False),
                name="jobs_finished_when_over",
            ),
        ]
        indexes = [
            models.Index(fields=["profile", "-created_at", "id"], name="jobs_of_profile_newest_first"),
            models.Index(fields=["-created_at", "id"], name="jobs_newest_first"),
            models.Index(fields=["profile", "file_hash"], name="jobs_profile_content"),
            models.Index(
                fields=["heartbeat_at"],
                condition=Q(state__in=["queued", "separating", "analysing", "storing"]),
                name="jobs_active",
            ),
        ]

    def __str__(self) -> str:
        return self.filename

    @property
    def is_active(self) -> bool:
        """Whether it is still to be done."""
        return self.state in self.ACTIVE

    @property
    def percent(self) -> int:
        """Finished part of the whole, 0 to 100."""
        return round(100 * self.progress)


class JobEvent(models.Model):
    """What happened to a job, one row after the other; rows are added and never changed."""

    class Kind(models.TextChoices):
        """What it was."""

        QUEUED = "queued", "queued"
        STARTED = "started", "started"
        COMPLETE = "complete", "complete"
        FAILED = "failed", "failed for good"
        RETRY = "retry", "failed, to be tried again"
        LOST = "lost", "its worker is gone"
        GIVEN_BACK = "given_back", "given back by a worker that stopped"
        HANDED_OVER = "handed_over", "handed to the remote worker"
        RETURNED = "returned", "came back from the remote worker"
        CANCELLED = "cancelled", "cancelled"

    id = models.BigAutoField(primary_key=True)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=20, choices=Kind)
    attempt = models.IntegerField(help_text="Number of the attempt; 0 before the first.")
    worker = models.CharField(max_length=255, blank=True, default="", db_default="")
    detail = models.TextField(blank=True, default="", db_default="")
    at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "job_events"
        verbose_name = "event"
        ordering = ["id"]

    def __str__(self) -> str:
        return self.get_kind_display()


class KnownFile(models.Model):
    """What a scan has read: a file that has the same size and date is not read again."""

    id = models.BigAutoField(primary_key=True)
    profile = models.ForeignKey(Profile, on_delete=models.CASCADE, related_name="known_files")
    path = models.BinaryField(help_text="Its absolute path: file names are bytes.")
    size = models.BigIntegerField()
    mtime_ns = models.BigIntegerField()
    file_hash = models.CharField(max_length=64)

    class Meta:
        db_table = "known_files"
        constraints = [
            models.UniqueConstraint(fields=["profile", "path"], name="known_files_profile_path_unique"),
        ]

    def __str__(self) -> str:
        return bytes(self.path).decode("utf-8", "replace")
