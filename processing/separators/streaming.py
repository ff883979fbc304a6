"""Splitting a file of any length on its spectrum, in constant memory and on every core.

An engine says how the spectrum of a window divides; this module does the rest: it reads the file window by window,
lets worker threads transform, divide and transform back, adds the pieces up in order and writes the stems. The last
output is what the others leave of the source, so the stems always sum to it.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from processing.audio import CHANNELS, Progress
from processing.separators.stft import HOP, LEAD, Samples, Spectrum, analyse, frame_count, span, synthesise
from processing.separators.wavefiles import StemWriter, WorkingFile
from stemset.cores import usable_cores

# Given the spectrum of a window, (channels, frames, BINS), the spectra of every output but the last, of as many
# frames and up to BINS bins.
type Divide = Callable[[Spectrum], Iterable[Spectrum]]


@dataclass(frozen=True)
class Window:
    """The frames an engine sees at once, and those of them it is asked about: first ≤ keep < stop ≤ last."""

    first: int
    last: int
    keep: int
    stop: int


@dataclass(frozen=True)
class _Piece:
    """What a worker hands back: the samples from position `start` on of every output but the last."""

    start: int
    stems: list[Samples]


def split(
    source: Path,
    destination: Path,
    outputs: Sequence[str],
    divide: Divide,
    *,
    progress: Progress,
    window: int = 512,
    context: int = 0,
    layers: int = 1,
    workers: int | None = None,
) -> dict[str, Path]:
    """Write `<output>.wav` for every output into the folder `destination`; return the files.

    divide    called from several threads at once with up to `window` frames; returns len(outputs) − 1 spectra
    window    frames seen at once
    context   frames at either end of a window that are seen but not used (the file's own ends excepted)
    layers    how often the file is cut into windows, at evenly shifted places; the results are averaged
    workers   threads; the samples written do not depend on it

    Raises AudioError for a source that is not in the working format, ProcessingError (code "disk_full") when a stem
    cannot be written, and whatever `progress` raises. After any of these no stem is left behind.
    """
    with ExitStack() as stack:
        audio = stack.enter_context(WorkingFile(source))
        writer = stack.enter_context(StemWriter(destination, outputs, audio.frames))
        frames = frame_count(audio.frames)
        offsets = [window * layer // layers for layer in range(layers)]
        cuts = [windows(frames, window=window, context=context, offset=offset) for offset in offsets]
        plan = sorted((place for cut in cuts for place in cut), key=lambda place: place.keep)
        jobs = ((place, audio.read(place.first * HOP - LEAD, span(place.last - place.first))) for place in plan)
        # Closed before the files are, so that no thread outlives an exception.
        pieces = stack.enter_context(
            closing(_in_order(lambda job: _work(divide, *job), jobs, workers or usable_cores()))
        )
        sums = _Sums(len(outputs) - 1, weight=1 / layers)
        for done, piece in enumerate(pieces, start=1):
            sums.add(piece)
            start = sums.start
            stems = sums.take(plan[done].keep * HOP - LEAD if done < len(plan) else audio.frames)
            remainder = audio.read(start, sums.start - start)
            for stem in stems:
                remainder -= stem
            writer.write(start, [*stems, remainder])
            progress(done / len(plan))
        return writer.finish()


def windows(frames: int, *, window: int, context: int, offset: int = 0) -> list[Window]:
    """Cut `frames` frames into windows; what they keep follows without a gap or an overlap.

    The last window is moved back to end with the file, so that it is as long as the others where the file allows.
    With an offset, the first window keeps so many frames only, which shifts those after it.
    """
    plan: list[Window] = []
    keep = 0
    while keep < frames:
        first = max(0, min(keep - context, frames - window))
        last = min(frames, first + window)
        stop = frames if last == frames else last - context
        if offset and not plan:
            stop = min(stop, offset)
        plan.append(Window(first, last, keep, stop))
        keep = stop
    return plan


class _Sums:
    """The outputs where pieces still overlap, from position `start` on."""

    def __init__(self, outputs: int, *, weight: float) -> None:
        self.start = -LEAD
        self._weight = np.float32(weight)
        self._stems = [np.zeros((CHANNELS, 0), np.float32) for _ in range(outputs)]

    def add(self, piece: _Piece) -> None:
        begin = piece.start - self.start
        for number, samples in enumerate(piece.stems):
            end = begin + samples.shape[1]
            missing = max(0, end - self._stems[number].shape[1])
            self._stems[number] = np.pad(self._stems[number], ((0, 0), (0, missing)))
            self._stems[number][:, begin:end] += samples * self._weight

    def take(self, stop: int) -> list[Samples]:
        """Hand out everything before the position `stop`, to which no later piece adds."""
        length = stop - self.start
        taken = [stem[:, :length] for stem in self._stems]
        self._stems = [stem[:, length:].copy() for stem in self._stems]
        self.start = stop
        return taken


def _work(divide: Divide, place: Window, samples: Samples) -> _Piece:
    kept = slice(place.keep - place.first, place.stop - place.first)
    stems = [synthesise(spectrum[:, kept]) for spectrum in divide(analyse(samples))]
    return _Piece(place.keep * HOP - LEAD, stems)


def _in_order[Job, Result](
    function: Callable[[Job], Result], jobs: Iterator[Job], workers: int
) -> Generator[Result, None, None]:
    """Yield function(job) for every job in order, computed by `workers` threads, one job ahead of them.

    However the caller leaves, no job is begun after that, and no thread is left running.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="separate")
    waiting: deque[Future[Result]] = deque()
    try:
        for job in jobs:
            waiting.append(pool.submit(function, job))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
