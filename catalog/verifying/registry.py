"""Checks and repairs that other rooms add: this one must not import them, and knows nothing of jobs.

A room has them in a module called `verifying`, which is found as Django finds an app's admin.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.utils.module_loading import autodiscover_modules

from catalog.verifying.findings import KINDS, Finding, Kind


@dataclass(frozen=True, slots=True)
class Scope:
    """What is being verified: some profiles, or everything, whoever's it is."""

    profiles: list[str]
    everything: bool


@dataclass(frozen=True, slots=True)
class Check:
    """What may be found, and the function that yields it, some at a time. It only reads."""

    kinds: dict[str, Kind]
    find: Callable[[Scope], Iterator[list[Finding]]]


CHECKS: list[Check] = []


def load() -> None:
    """Have all rooms add theirs. Commands do this first; web servers have no use for it."""
    autodiscover_modules("verifying")


def register(check: Check) -> None:
    """Add a check: its codes are known from now on. A module does this once, when it is imported."""
    assert not set(check.kinds) & set(KINDS)  # noqa: S101 - for whoever adds one
    KINDS.update(check.kinds)
    CHECKS.append(check)


def codes() -> set[str]:
    """Return the codes of checks that were added."""
    return {code for check in CHECKS for code in check.kinds}
