"""System checks of what an operator gets wrong about processing: strategies, engines, source folders."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.core.files.storage import default_storage

from catalog.storage import LocalStorage
from processing.errors import ModelError
from processing.separators import get_separator
from processing.strategies import tree_problems


@register
def check_strategies(**_kwargs: Any) -> list[CheckMessage]:
    """Every model must exist and have the outputs that the tree asks for."""
    return [
        Error(f"{where}: {what}", hint="Correct the tree in config.yaml.", id="processing.E001")
        for name, tree in settings.STEMSET.strategies.items()
        for where, what in tree_problems(tree, f"strategies.{name}")
    ]


@register
def check_engines(**_kwargs: Any) -> list[CheckMessage]:
    """What a profile's strategy needs must be installed and fetched."""
    messages: list[CheckMessage] = []
    for profile in settings.STEMSET.profiles:
        if profile.remote and settings.STEMSET.gpu_worker_url:
            continue  # the remote worker needs it, not this machine
        tree = settings.STEMSET.strategies[profile.strategy]
        if tree_problems(tree, ""):
            continue  # E001 says more
        for _where, node in tree.nodes(""):
            try:
                get_separator(node.model).check()
            except ModelError as error:
                messages.append(_engine_message(profile.name, error))
    return messages


def _engine_message(profile: str, error: ModelError) -> CheckMessage:
    text = f"The profile {profile} cannot be processed on this machine: {error}"
    if error.code == "model_missing":  # a fresh installation; one command mends it
        return Warning(text, hint="Run: python manage.py fetch_models", id="processing.W002")
    return Error(
        text,
        hint="On a machine that only serves pages, set SILENCED_SYSTEM_CHECKS=processing.E002.",
        id="processing.E002",
    )


@register
def check_source_folders(**_kwargs: Any) -> list[CheckMessage]:
    """A missing folder may only be a card that is not plugged in."""
    return [
        Warning(
            f"The source folder of the profile {profile.name} does not exist: {profile.source_folder}",
            hint="Plug the card in, or correct source_folder in config.yaml.",
            id="processing.W003",
        )
        for profile in settings.STEMSET.profiles
        if not Path(profile.source_folder).is_dir()
    ]


@register
def check_remote(**_kwargs: Any) -> list[CheckMessage]:
    """A profile that is left to the remote worker needs one, a store that it reaches, and an address to answer to."""
    remote = ", ".join(profile.name for profile in settings.STEMSET.profiles if profile.remote)
    if not remote:
        return []
    if not settings.STEMSET.gpu_worker_url:
        return [
            Warning(
                f"{remote}: `remote: true` has no effect, since config.yaml names no gpu_worker_url.",
                hint="Name it, or set remote: false.",
                id="processing.W004",
            )
        ]
    messages: list[CheckMessage] = []
    if isinstance(default_storage, LocalStorage):
        messages.append(
            Error(
                f"{remote}: the remote worker cannot reach local files.",
                hint="Configure an object store (r2 in config.yaml), or set remote: false.",
                id="processing.E005",
            )
        )
    if not settings.BACKEND_URL:
        messages.append(
            Error(
                f"{remote}: the remote worker would not know where to answer.",
                hint="Set BACKEND_URL to the address under which it reaches this site.",
                id="processing.E006",
            )
        )
    return messages
