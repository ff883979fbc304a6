"""Reading many files at a time: processes for decoding, threads for what waits for disks and networks."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from catalog.importing import audio_work
from catalog.importing.audio_work import Failure, Measured
from catalog.legacy.stores import LocalStore, Store
from processing.errors import AudioError

if TYPE_CHECKING:
    from processing.audio.header import Header

# Batches under way at a time: enough to keep every core busy, few enough to keep memory flat.
LOOKAHEAD = 8
# Headers per call of a worker process: one call costs as much as reading several headers.
CHUNK = 128
THREADS = 16


class Workers:
    """Worker processes and threads, started when they are first needed."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        # For small stores: starting processes would take longer.
        self.headers_at_once = False
        self._processes: Executor | None = None
        self._threads: Executor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        if self._processes is not None:
            if kind is not None:
                # What they are reading is not needed any more, and may take long.
                for process in list((getattr(self._processes, "_processes", None) or {}).values()):
                    process.kill()
            self._processes.shutdown(wait=True, cancel_futures=True)
        if self._threads is not None:
            self._threads.shutdown(wait=kind is None, cancel_futures=True)

    def headers(self, files: list[tuple[Store, str, int]]) -> "Callable[[], list[Header | Failure]]":
        """Begin to read the headers of files; the answer waits for them and gives them in the same order."""
        local = [f"{store.root}/{key}" for store, key, _size in files if isinstance(store, LocalStore)]
        chunks = [self._begin_chunk(local[at : at + CHUNK]) for at in range(0, len(local), CHUNK)]
        remote = [
            self.by_thread(remote_header, store, key, size)
            for store, key, size in files
            if not isinstance(store, LocalStore)
        ]

        def answer() -> "list[Header | Failure]":
            from_disk = iter([header for chunk in chunks for header in chunk()])
            from_bucket = iter(remote)
            return [
                next(from_disk) if isinstance(store, LocalStore) else next(from_bucket).result() for store, *_ in files
            ]

        return answer

    def _begin_chunk(self, paths: list[str]) -> "Callable[[], list[Header | Failure]]":
        if self.headers_at_once:
            headers = audio_work.headers(paths)
            return lambda: headers
        future = self._by_process(audio_work.headers, paths)

        def answer() -> "list[Header | Failure]":
            try:
                return list(future.result())
            except BrokenProcessPool:
                self._processes = None
                return [_alone(audio_work.header, path) for path in paths]

        return answer

    def measure(self, store: Store, key: str) -> "Callable[[], Measured | Failure]":
        """Begin to decode a stem; the answer waits for it."""
        if not isinstance(store, LocalStore):
            return self.by_thread(remote_measure, store, key).result
        path = f"{store.root}/{key}"
        future = self._by_process(audio_work.measure, path)

        def answer() -> Measured | Failure:
            try:
                measured: Measured | Failure = future.result()
            except BrokenProcessPool:
                self._processes = None
                measured = _alone(audio_work.measure, path)
            return measured

        return answer

    def by_thread(self, function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """Begin something that mostly waits."""
        if self._jobs == 1:
            return _at_once(function, *arguments)
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS)
        return self._threads.submit(function, *arguments)

    def _by_process(self, function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        if self._jobs == 1:
            return _at_once(function, *arguments)
        if self._processes is None:
            # Forking a process that has threads or database connections is not safe.
            context = multiprocessing.get_context("spawn")
            self._processes = ProcessPoolExecutor(self._jobs, context, initializer=audio_work.begin)
        try:
            return self._processes.submit(function, *arguments)
        except BrokenProcessPool:  # a file before this one crashed it, which its answer will tell
            self._processes = None
            return self._by_process(function, *arguments)


def _alone(function: Callable[[str], Any], path: str) -> Any:
    """Read a file in a process of its own: one of several crashed theirs, and this tells which."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=audio_work.begin) as process:
        try:
            return process.submit(function, path).result()
        except BrokenProcessPool:
            return Failure("decoder_crashed", "the decoder crashes on it, or needs more memory than there is")


def _at_once(function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
    future: Future[Any] = Future()
    try:
        future.set_result(function(*arguments))
    except Exception as error:  # as an executor would keep it
        future.set_exception(error)
    return future


def remote_header(store: Store, key: str, size: int) -> "Header | Failure":
    """Read the headers of an object, of which mostly the two ends are fetched."""
    from processing.audio.header import read_header  # noqa: PLC0415 - loading it takes a while

    try:
        try:
            with store.audio(key, size) as file:
                return read_header(file)
        except AudioError:
            with store.local_copy(key) as path:
                return read_header(path)
    except Exception as error:  # as for files on disk
        return audio_work.failure(error)


def remote_measure(store: Store, key: str) -> Measured | Failure:
    """Fetch and decode a stem."""
    try:
        with store.local_copy(key) as path:
            return audio_work.measure(str(path))
    except OSError as error:
        return audio_work.failure(error)


def pipelined[Batch](
    batches: Iterable[Batch], begin: Callable[[Batch], Callable[[], None]], lookahead: int = LOOKAHEAD
) -> Iterator[Batch]:
    """Yield batches in order, each finished; the next ones are begun meanwhile."""
    window: deque[tuple[Batch, Callable[[], None]]] = deque()
    for batch in batches:
        window.append((batch, begin(batch)))
        if len(window) > lookahead:
            first, finish = window.popleft()
            finish()
            yield first
    for batch, finish in window:
        finish()
        yield batch
