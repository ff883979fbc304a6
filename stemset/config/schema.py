"""What config.yaml may say."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from stemset.config.strategy import Node

# Profile names are put into URLs and paths as they are.
PROFILE_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
# `inputs/` lies beside the profiles' folders in the object store.
RESERVED_PROFILE_NAMES = {"inputs"}


def _none_if_empty(value: Any) -> Any:
    return None if value == "" else value


def _empty_if_none(value: Any) -> Any:
    return () if value is None else value  # a key with nothing behind it


Text = Annotated[str, Field(min_length=1)]
OptionalText = Annotated[Text | None, BeforeValidator(_none_if_empty)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(_empty_if_none)]


class Section(BaseModel):
    """A mapping in which an unknown key is an error: a misspelt option must not be silently without effect."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AuthConfig(Section):
    """Signing in with Google."""

    # Who may come in. Nobody, when it is empty: then only people whom staff or leaders invited.
    allowed_emails: Texts = ()
    google_client_id: OptionalText = None
    google_client_secret: Annotated[SecretStr | None, BeforeValidator(_none_if_empty)] = None
    jwt_secret: Annotated[SecretStr | None, BeforeValidator(_none_if_empty)] = None
    redirect_uri: OptionalText = None
    # Opened to everybody who signs in for the first time; without it staff open profiles one by one.
    first_login_profiles: Texts = ()


class R2Config(Section):
    """The object store that holds the audio."""

    account_id: Text
    access_key_id: Text
    secret_access_key: Annotated[SecretStr, Field(min_length=1)]
    bucket_name: Text
    public_url: OptionalText = None


class OutputConfig(Section):
    """How stems are encoded."""

    format: Literal["opus", "wav", "aac", "flac"] = "opus"
    bitrate: int = Field(192, ge=32, le=256, description="kbit/s for the whole stem; lossless formats ignore it")


class ProfileConfig(Section):
    """One band or one recorder: where its recordings lie and what is done with them."""

    name: str = Field(pattern=PROFILE_NAME)
    source_folder: Text
    strategy: Text
    remote: bool = False
    # Which workers do its jobs: those of this queue (`manage.py worker --queues`).
    queue: str = Field(default="cpu", pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")
    output: OutputConfig = OutputConfig()
    # How much its uploaded sources and its stems may take in storage; without it there is no limit.
    quota_gib: float | None = Field(default=None, gt=0, allow_inf_nan=False)


class Config(Section):
    """The whole file."""

    # Trees are dataclasses that parse_tree has made already.
    model_config = ConfigDict(arbitrary_types_allowed=True)

    auth: AuthConfig | None = None
    r2: R2Config | None = None
    gpu_worker_url: OptionalText = None
    strategies: dict[str, Node]
    profiles: tuple[ProfileConfig, ...] = Field(min_length=1)

    def profile(self, name: str) -> ProfileConfig | None:
        """Return the profile of that name, if there is one."""
        return next((profile for profile in self.profiles if profile.name == name), None)
