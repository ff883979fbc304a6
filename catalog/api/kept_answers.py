"""Whole answers kept as bytes, each with the version of what it shows.

Whoever asks brings the version from the database, so what is kept here may have become old but is then never served.
"""

import threading
from collections.abc import Hashable
from dataclasses import dataclass

from cachetools import LRUCache

MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """A body, the version of what it shows, and its ETag."""

    version: str
    etag: str
    body: bytes


class KeptAnswers:
    """The most recently used answers of a process, up to a number of bytes."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._answers: LRUCache[Hashable, Answer] = LRUCache(max_bytes, getsizeof=lambda answer: len(answer.body))
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Answer | None:
        """Return what is kept under a key."""
        with self._lock:
            return self._answers.get(key)

    def keep(self, key: Hashable, answer: Answer) -> None:
        """Keep an answer instead of the one before. One that is larger than all the room is not kept."""
        with self._lock:
            self._answers.pop(key, None)
            if len(answer.body) <= self._answers.maxsize:
                self._answers[key] = answer
