"""Which stores an import reads, as the operator named them."""

import os
from pathlib import Path

from django.conf import settings
from django.core.files.storage import FileSystemStorage, storages

from catalog.importing.views import Stores
from catalog.legacy.bucket import BucketStore
from catalog.legacy.stores import LocalStore, Store
from catalog.storage import ObjectStorage


class UnusableSource(Exception):
    """The named source is not there; the message says what to do."""


def storage_store() -> Store:
    """Return the configured storage as a store. Raises UnusableSource for a storage of another kind."""
    storage = storages["default"]
    if isinstance(storage, ObjectStorage):
        return BucketStore(storage, settings.STEMSET_WORK_DIR)
    if isinstance(storage, FileSystemStorage):
        return LocalStore(Path(storage.location))
    raise UnusableSource(f"Storage of the kind {type(storage).__name__} cannot be looked through.")


def stores_for(source: str | None) -> Stores:
    """Return what to read: `source` is a folder, "storage", or None for storage and, with a bucket, media/ too.

    Raises UnusableSource.
    """
    storage = storage_store()
    if source == "storage":
        return Stores(storage)
    if source is None:
        media = Path(settings.MEDIA_ROOT)
        if isinstance(storage, BucketStore) and media.is_dir():
            return Stores(storage, LocalStore(media))
        return Stores(storage)
    if not source:
        # Path("") would be the folder that one happens to be in.
        raise UnusableSource("--source is empty (a variable that is not set?). Name the media folder, or storage.")
    folder = Path(os.path.expanduser(source))
    if not folder.is_dir():
        raise UnusableSource(f"{folder} is not a folder. --source takes the older version's media folder, or storage.")
    if (folder / "media").is_dir() and not any((folder / one.name).is_dir() for one in settings.STEMSET.profiles):
        raise UnusableSource(f"{folder} has a media folder in it: do you mean --source {folder / 'media'}?")
    copy = LocalStore(folder)
    if isinstance(storage, LocalStore) and storage.root == copy.root:
        return Stores(storage)
    return Stores(storage, copy)
