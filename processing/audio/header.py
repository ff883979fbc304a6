"""What the headers of a stem tell, read as cheaply as possible: libraries of thousands are looked through."""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from processing.errors import AudioError

# libsndfile gives its largest number when it cannot find the end.
UNKNOWN_FRAMES = 1 << 62
MAX_SECONDS = 31 * 24 * 3600  # a month: no recorder's card holds more


@dataclass(frozen=True, slots=True)
class Header:
    """Length and format by the file's headers alone."""

    duration_seconds: float
    sample_rate: int
    channels: int


def read_header(file: Path | BinaryIO) -> Header:
    """Read the headers of a path, or of an open file that seeks.

    libsndfile reads what it reads fastest, FFmpeg the rest, for which it needs a path. Raises AudioError as
    `source.probe` does, with code no_samples when there is no audio or nothing tells its length, audio_absurd when
    what tells it is nonsense, and needs_a_path for an open file that libsndfile cannot read.
    """
    import soundfile  # noqa: PLC0415 - takes a while, and who only handles headers does without

    try:
        with soundfile.SoundFile(file) as opened:
            frames, rate, channels = opened.frames, opened.samplerate, opened.channels
    except (soundfile.LibsndfileError, RuntimeError):
        return _by_ffmpeg(file)
    if not 0 < frames < UNKNOWN_FRAMES:
        return _by_ffmpeg(file)
    return _sane(Header(frames / rate, rate, channels))


def read_comment(path: Path) -> str:
    """Return the comment tag of an audio file, or nothing. Raises AudioError as `source.probe` does."""
    from processing.audio.source import open_source  # noqa: PLC0415 - see _by_ffmpeg

    with open_source(path) as source:
        tags = {**source.container.metadata, **source.stream.metadata}
    return next((value for name, value in tags.items() if name.lower() in {"comment", "description"}), "")


def _by_ffmpeg(file: Path | BinaryIO) -> Header:
    # PyAV takes a third of a second to import, which readers of well-formed files do without.
    from processing.audio.source import probe, shown  # noqa: PLC0415

    if not isinstance(file, Path):
        raise AudioError("Only a whole file can tell.", code="needs_a_path")
    info = probe(file)
    if not info.duration_seconds:
        raise AudioError(f"“{shown(file)}” contains no audio, only headers.", code="no_samples")
    return _sane(Header(info.duration_seconds, info.sample_rate, info.channels))


def _sane(header: Header) -> Header:
    if not 0 < header.duration_seconds <= MAX_SECONDS:
        message = f"The header claims {header.duration_seconds:.3g} seconds: it is damaged."
        raise AudioError(message, code="audio_absurd")
    return header
