"""A recording as repairs see it: its rows, its folder, its audio."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from django.core.files.storage import default_storage

from catalog.importing.audio_work import Failure, Measured
from catalog.importing.workers import Workers
from catalog.legacy.stores import LocalStore, Store
from catalog.models import Recording, Stem


@dataclass
class Patient:
    """What is to be mended."""

    recording: Recording
    stems: list[Stem]
    store: Store
    workers: Workers

    @property
    def path(self) -> str:
        """Its folder in storage."""
        return f"{self.recording.profile.name}/{self.recording.output_name}"

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Bytes of each file in its folder, by key."""
        try:
            _folders, files = default_storage.listdir(self.path)
        except FileNotFoundError:
            return {}
        keys = [f"{self.path}/{file}" for file in files if file]
        return {key: default_storage.size(key) for key in keys if self._is_inside(key)}

    def _is_inside(self, key: str) -> bool:
        """No link out of the store is followed, nor one to nothing."""
        if not isinstance(self.store, LocalStore):
            return True
        target = Path(os.path.realpath(self.store.root / key))
        return target.is_relative_to(self.store.root) and target.is_file()

    def is_there(self, key: str) -> bool:
        """Return whether a file of its folder is there and not empty."""
        return self.sizes.get(key, 0) > 0

    def measure(self, keys: Iterable[str]) -> dict[str, Measured | Failure]:
        """Decode files of its folder, several at a time; those that are not there are left out."""
        there = [key for key in dict.fromkeys(keys) if self.is_there(key)]
        answers = {key: self.workers.measure(self.store, key) for key in there}
        return {key: answer() for key, answer in answers.items()}


def patient(path: str, store: Store, workers: Workers) -> Patient | None:
    """Return the recording of a folder, `<profile>/<output_name>`, as its rows are now, or None."""
    profile, _slash, name = path.partition("/")
    rows = Recording.objects.select_related("profile").filter(profile__name=profile, output_name=name)
    recording = rows.first()
    if recording is None:
        return None
    return Patient(recording, list(recording.stems.select_related("audio_file").order_by("stem_type")), store, workers)
