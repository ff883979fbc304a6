"""People and the profiles they may open."""

import uuid
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models.functions import Lower, Now

from catalog.access import Role


class UserManager(BaseUserManager["User"]):
    """Makes users; e-mail addresses are kept in lower case, because people type them as they like."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create a user; without a password they can only enter through Google."""
        if not email:
            raise ValueError("A user needs an e-mail address.")
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Create a user who may do everything (`manage.py createsuperuser`)."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        """Find by e-mail, however it is capitalised."""
        return self.get(email=(username or "").strip().lower())


class Part(models.TextChoices):
    """What somebody plays, by the names that strategies give to stems."""

    VOCALS = "vocals", "Vocals"
    GUITAR = "guitar", "Guitar"
    BASS = "bass", "Bass"
    DRUMS = "drums", "Drums"
    PIANO = "piano", "Piano or keys"
    OTHER = "other", "Something else"


class User(AbstractBaseUser, PermissionsMixin):
    """Someone who signed in, with Google or (staff) with a password."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(max_length=254)
    name = models.CharField(max_length=200, blank=True)
    picture_url = models.URLField("address of the picture", max_length=500, blank=True)
    my_part = models.CharField(
        "part",
        max_length=20,
        choices=Part,
        blank=True,
        default="",
        db_default="",
        help_text="What they play: the practice mixer takes it out, or lets it be heard alone.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    # Django's own field under the column name that the catalogue promises.
    last_login = models.DateTimeField("last login", db_column="last_login_at", null=True, blank=True)
    is_active = models.BooleanField("active", default=True, help_text="Unset this instead of deleting the account.")
    is_staff = models.BooleanField("staff", default=False, help_text="May use the admin and open every profile.")
    is_invited = models.BooleanField(
        "invited",
        default=False,
        db_default=False,
        help_text="May sign in although config.yaml does not name this address.",
    )
    invited_by = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="The leader of a profile who invited them to it; nobody for those whom staff let in.",
    )

    # What catalog.access.open_profiles returns, if it was read along with the person.
    open_profiles: bytes | None = None

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    class Meta:
        db_table = "users"
        verbose_name = "person"
        verbose_name_plural = "people"
        constraints = [
            models.UniqueConstraint(fields=["email"], name="users_email_unique"),
            models.CheckConstraint(condition=models.Q(email=Lower("email")), name="users_email_lower_case"),
        ]

    def __str__(self) -> str:
        return self.name or self.email

    def clean(self) -> None:
        """Normalise what the admin's form got."""
        super().clean()
        self.email = self.email.strip().lower()

    def get_full_name(self) -> str:
        """Return what pages call this person."""
        return str(self)


class UserProfile(models.Model):
    """A user may open a profile, and do there what the role allows."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="profile_links")
    profile = models.ForeignKey("catalog.Profile", on_delete=models.CASCADE, related_name="user_links")
    role = models.CharField(max_length=10, choices=Role, default=Role.MEMBER, db_default=Role.MEMBER)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "user_profiles"
        verbose_name = "membership"
        constraints = [
            models.UniqueConstraint(fields=["user", "profile"], name="user_profiles_user_profile_unique"),
            models.CheckConstraint(condition=models.Q(role__in=["member", "leader"]), name="user_profiles_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} → {self.profile}"


class Session(AbstractBaseSession):
    """A browser that is signed in, or about to. Deleting it signs out, whatever cookie or token leads to it."""

    user = models.ForeignKey(User, null=True, on_delete=models.CASCADE, related_name="sessions")
    token_id = models.UUIDField(
        null=True, help_text="What the contract's token says instead of the key: who has the one cannot make the other."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "user_sessions"
        verbose_name = "sign-in"
        constraints = [models.UniqueConstraint(fields=["token_id"], name="user_sessions_token_id_unique")]

    @classmethod
    def get_session_store_class(cls) -> Any:
        """Return the engine that reads and writes these."""
        from accounts.sessions import SessionStore  # noqa: PLC0415  # it imports this module

        return SessionStore


class ApiToken(models.Model):
    """A personal token for scripts. Only its hash is kept: whoever reads the database cannot use it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    secret_sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "api_tokens"
        verbose_name = "personal token"
        ordering = ["-created_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["secret_sha256"], name="api_tokens_secret_unique"),
        ]

    def __str__(self) -> str:
        return self.name


class Picture(models.Model):
    """A person's picture, served from our origin."""

    user = models.OneToOneField(User, primary_key=True, on_delete=models.CASCADE, related_name="picture")
    content = models.BinaryField(help_text="A square PNG, drawn anew from what was fetched.")
    sha256 = models.CharField(max_length=64)
    updated_at = models.DateTimeField(auto_now=True, db_default=Now())

    class Meta:
        db_table = "user_pictures"
        verbose_name = "person's picture"
        verbose_name_plural = "people's pictures"

    def __str__(self) -> str:
        return f"Picture of {self.user_id}"
