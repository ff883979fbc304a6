"""Opening somebody's recording safely, and saying in plain words why that failed.

Only the content decides what a file is. FFmpeg gets an open file without a name, so neither an extension nor a
path that looks like a URL can mislead it, and only the formats listed here: playlists and other text formats that
name further files or addresses (HLS, DASH, concat, SDP, ...) are not among them.
"""

import errno
import io
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer

from processing.errors import AudioError

# FFmpeg's names of self-contained audio and video formats.
FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dsf,dts,eac3,flac,flv,iff,matroska,mov,mp3,mpc,mpc8,mpeg,mpegts,"
    "ogg,oma,rm,shn,tak,tta,voc,w64,wav,wv"
)
# How such files begin (offset, bytes): tells a damaged recording from something that never was one.
SIGNATURES = (
    (0, b"RIFF"), (0, b"RF64"), (0, b"FORM"), (0, b"fLaC"), (0, b"OggS"), (0, b"ID3"), (0, b"caff"), (0, b"wvpk"),
    (0, b"MAC "), (0, b"#!AMR"), (0, b".snd"), (0, b"riff\x2e\x91\xcf\x11"), (0, b"\x1a\x45\xdf\xa3"),
    (0, b"\x30\x26\xb2\x75"), (4, b"ftyp"), (4, b"moov"), (4, b"mdat"), (0, b"DSD "), (0, b"TTA1"), (0, b"FRM8"),
)  # fmt: skip
MIN_RATE, MAX_RATE = 4_000, 3_072_000  # Hz: below telephone quality, above the fastest DSD
MAX_CHANNELS = 64
READ_BYTES = 1 << 20


@dataclass(frozen=True)
class SourceInfo:
    """What a file's headers say about its audio. `duration_seconds` is None where nothing tells it."""

    container: str
    codec: str
    sample_rate: int
    channels: int
    duration_seconds: float | None


@dataclass(frozen=True)
class Source:
    """An open recording: FFmpeg's container and the audio stream in it."""

    name: str
    size: int
    container: InputContainer
    stream: AudioStream
    missing_bytes: int

    @property
    def duration_seconds(self) -> float | None:
        """The duration by the headers or, for formats without one, FFmpeg's estimate from the bit rate."""
        if self.stream.duration is not None and self.stream.time_base is not None:
            return float(self.stream.duration * self.stream.time_base)
        if self.container.duration is not None:
            return self.container.duration / av.time_base
        return None

    @property
    def promised_seconds(self) -> float | None:
        """The duration as far as a header truly states it (an estimate must not accuse a file of being cut)."""
        kind = self.container.format.name
        if kind == "wav":
            # FFmpeg already shortened the duration to the bytes that are there.
            rate = self.stream.codec_context.bit_rate
            if not rate or self.duration_seconds is None:
                return None
            return self.duration_seconds + self.missing_bytes * 8 / rate
        if kind == "mp3":
            # A start after zero means that an encoder's info header, which counts the frames, was found.
            return self.duration_seconds if self.stream.start_time else None
        if kind.split(",")[0] in {"flac", "aiff", "caf", "mov", "matroska", "w64", "wv", "ape", "tta"}:
            return self.duration_seconds
        return None


def shown(path: Path) -> str:
    """The file's name for messages: bytes that are not text (old memory cards) become question marks."""
    return path.name.encode("utf-8", "replace").decode()


def probe(path: Path) -> SourceInfo:
    """Read the headers only.

    Raises AudioError with code audio_unreadable (missing, no permission, not a file), audio_empty (0 bytes),
    not_audio, audio_damaged (an audio format whose headers cannot be read), no_audio_stream, or audio_absurd
    (a sample rate or channel count that no recorder makes).
    """
    with open_source(path) as source:
        context = source.stream.codec_context
        return SourceInfo(
            container=source.container.format.name,
            codec=context.name,
            sample_rate=context.sample_rate,
            channels=context.channels,
            duration_seconds=source.duration_seconds,
        )


@contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """Open `path` and find its audio stream; errors as in `probe`, also for reads while it is open."""
    name = shown(path)
    try:
        with path.open("rb", buffering=0) as file:
            state = path.stat()
            if not stat.S_ISREG(state.st_mode):
                raise AudioError(f"“{name}” is not a file.", code="audio_unreadable")
            if state.st_size == 0:
                raise AudioError(
                    f"“{name}” is empty (0 bytes): nothing was recorded or the copy failed. Copy it again.",
                    code="audio_empty",
                )
            head = file.read(16)
            file.seek(0)
            with _open_container(file, name, head) as container:
                stream = _audio_stream(container, name)
                yield Source(name, state.st_size, container, stream, _missing_bytes(head, state.st_size))
    except av.FFmpegError as error:
        raise AudioError(f"“{name}” cannot be decoded: {error.strerror}.", code="audio_damaged") from error
    except OSError as error:
        if error.errno == errno.EINVAL:  # a damaged header sent FFmpeg to a place before the file's beginning
            raise AudioError(f"“{name}” is damaged. Copy it again.", code="audio_damaged") from error
        raise AudioError(
            f"“{name}” cannot be read ({error.strerror}). Is the disk or card still connected?",
            code="audio_unreadable",
        ) from error


class _Nameless:
    """A file FFmpeg may read and seek, and nothing more: without a name there is no extension to believe."""

    def __init__(self, file: io.RawIOBase) -> None:
        self.read = file.read
        self.seek = file.seek
        self.tell = file.tell


def _open_container(file: io.FileIO, name: str, head: bytes) -> InputContainer:
    options = {"format_whitelist": FORMATS, "protocol_whitelist": ""}
    try:
        return av.open(_Nameless(file), "r", options=options, buffer_size=READ_BYTES)
    except (av.FFmpegError, ValueError) as error:
        if any(head[at : at + len(mark)] == mark for at, mark in SIGNATURES):
            raise AudioError(
                f"“{name}” is damaged: it begins like a recording, but its headers are incomplete. "
                "The recorder may have lost power, or the copy was cut short. Copy it again.",
                code="audio_damaged",
            ) from error
        raise AudioError(
            f"“{name}” is not an audio or video file that can be read here. Export it as WAV, FLAC or MP3.",
            code="not_audio",
        ) from error


def _audio_stream(container: InputContainer, name: str) -> AudioStream:
    stream = next(iter(container.streams.audio), None) and container.streams.best("audio")
    if not isinstance(stream, AudioStream):
        raise AudioError(f"“{name}” has no sound: it contains no audio track.", code="no_audio_stream")
    context = stream.codec_context
    if context is None:
        raise AudioError(
            f"“{name}” uses an audio codec that cannot be decoded here. Export it as WAV, FLAC or MP3.",
            code="not_audio",
        )
    check_parameters(name, context.sample_rate, context.channels)
    return stream


def check_parameters(name: str, sample_rate: int, channels: int) -> None:
    """Raise audio_absurd for a rate or channel count that no recorder makes: the header is damaged or a hoax."""
    if not (MIN_RATE <= sample_rate <= MAX_RATE and 1 <= channels <= MAX_CHANNELS):
        raise AudioError(
            f"“{name}” claims {sample_rate} Hz and {channels} channels, which no recorder makes: "
            "its header is damaged. Export it again as WAV, FLAC or MP3.",
            code="audio_absurd",
        )


def _missing_bytes(head: bytes, size: int) -> int:
    """How many bytes a RIFF header promises beyond the end of the file.

    0 and 0xFFFFFFFF mean "not known" (streams, RF64).
    """
    promised = int.from_bytes(head[4:8], "little")
    if head[:4] != b"RIFF" or promised in {0, 0xFFFFFFFF}:
        return 0
    return max(0, promised + 8 - size)
