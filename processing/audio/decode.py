"""Decoding whatever people bring to the working format: float32, stereo, 44.1 kHz, block by block.

What decodes cleanly up to the end of the data is used. A file that ends more than a second before its header says
is used as far as it goes, with a warning. Damage with good audio after it is an error: skipping it would shift
everything that follows.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import soxr
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from processing.audio import CHANNELS, SAMPLE_RATE, Progress
from processing.audio.downmix import to_stereo
from processing.audio.floatwav import FloatWav
from processing.audio.source import Source, SourceInfo, check_parameters, open_source, probe
from processing.errors import AudioError

__all__ = ["AudioWarning", "Decoded", "SourceInfo", "decode_blocks", "decode_to_wav", "native_blocks", "probe"]

BLOCK_FRAMES = 1 << 16
MAX_SECONDS = 24 * 3600  # no rehearsal is longer; a tiny file that unpacks to days of silence is a trap
SHORTFALL_SECONDS = 1.0
GAP_SECONDS = 0.05  # of missing sample numbers that count as damage
# In these formats a timestamp counts samples, so a jump means that audio was lost.
COUNTED_FORMATS = {"flac", "ogg"}
_SAMPLE_FORMATS = {"u8", "s16", "s32", "flt", "dbl"}
_SCALE = {"u8": 2.0**-7, "s16": 2.0**-15, "s32": 2.0**-31}

Block = NDArray[np.float32]


@dataclass(frozen=True)
class AudioWarning:
    """Something about a file that was processed all the same; `code` is stable."""

    code: str
    message: str


@dataclass(frozen=True)
class Decoded:
    """What decode_to_wav wrote: frames at 44.1 kHz, and what the band should know about the source."""

    frames: int
    warnings: tuple[AudioWarning, ...] = ()


@dataclass(frozen=True)
class NativeBlock:
    """Samples as the source has them: float32 of shape (frames, channels), with FFmpeg's channel names."""

    samples: Block
    sample_rate: int
    channels: tuple[str, ...]


def decode_to_wav(source: Path, target: Path, progress: Progress) -> Decoded:
    """Decode `source` into a float32 stereo 44.1 kHz WAV (RF64 past 4 GB) at `target`.

    On any failure, cancelling from `progress` included, `target` is removed. Raises AudioError as `decode_blocks`
    does, OSError when the target cannot be written, ValueError when both are the same file.
    """
    if target.exists() and target.samefile(source):
        raise ValueError("source and target are the same file")
    warnings: list[AudioWarning] = []
    expected = (probe(source).duration_seconds or 0) * SAMPLE_RATE
    with FloatWav(target, sample_rate=SAMPLE_RATE, channels=CHANNELS) as wav:
        for block in decode_blocks(source, warnings=warnings):
            wav.write(block)
            if expected:
                progress(min(1.0, wav.frames / expected))
        progress(1.0)
    return Decoded(wav.frames, tuple(warnings))


def decode_blocks(
    path: Path, *, block_frames: int = BLOCK_FRAMES, warnings: list[AudioWarning] | None = None
) -> Iterator[Block]:
    """Yield float32 blocks of shape (block_frames, 2) at 44.1 kHz, the last one shorter; full scale is ±1.

    Mono goes to both sides, more than two channels are mixed down (see downmix), NaN and infinity become 0.
    Warnings are appended to `warnings`. Raises AudioError as `probe` does, and with code no_samples (headers
    without audio), audio_damaged_inside (with the second), audio_too_long (more than 24 hours).
    """
    if block_frames < 1:
        raise ValueError("block_frames must be at least 1")
    return _reblocked(_resampled(native_blocks(path, warnings=warnings)), block_frames)


def native_blocks(path: Path, *, warnings: list[AudioWarning] | None = None) -> Iterator[NativeBlock]:
    """Yield the source's audio in blocks of about 1.5 s, its rate and channels unchanged; errors as above."""
    with open_source(path) as source:
        parts: list[AudioFrame] = []
        held = 0
        seconds = 0.0
        for frame in _frames(source):
            if parts and not _alike(parts[0], frame):
                yield _native(parts)
                parts, held = [], 0
            if not parts:
                _check_frame(source.name, frame)
            parts.append(frame)
            held += frame.samples
            seconds += frame.samples / frame.sample_rate
            if seconds > MAX_SECONDS:
                raise AudioError(
                    f"“{source.name}” is longer than 24 hours. Split it and process the parts.",
                    code="audio_too_long",
                )
            if held >= BLOCK_FRAMES:
                yield _native(parts)
                parts, held = [], 0
        if parts:
            yield _native(parts)
        if seconds == 0:
            raise AudioError(
                f"“{source.name}” contains no audio, only headers: the recording was stopped or cut at once. "
                "Copy it again, or leave it out.",
                code="no_samples",
            )
        promised = source.promised_seconds
        if warnings is not None and promised is not None and promised - seconds > SHORTFALL_SECONDS:
            warnings.append(
                AudioWarning(
                    "audio_truncated",
                    f"“{source.name}” should last {_clock(promised)} by its header but ends after {_clock(seconds)}: "
                    "what is there was used. Copy it again if the rest matters.",
                )
            )


def _frames(source: Source) -> Iterator[AudioFrame]:
    """Decoded frames in order; see the module's docstring for what damage does."""
    rate = source.stream.codec_context.sample_rate
    start = source.stream.start_time or 0
    counted = source.container.format.name in COUNTED_FORMATS
    decoded = 0
    damage: Exception | None = None
    packets = source.container.demux(source.stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            frames = packet.decode()
        except av.InvalidDataError as error:
            damage = error
            continue
        for frame in frames:
            if frame.samples == 0:
                continue
            if counted and frame.pts is not None and frame.time_base is not None:
                lost = float((frame.pts - start) * frame.time_base) - decoded / rate
                if lost > GAP_SECONDS:
                    damage = damage or EOFError("samples are missing")
            if damage is not None and decoded > 0:
                raise AudioError(
                    f"“{source.name}” is damaged at {_clock(decoded / rate)}: it cannot be decoded there. "
                    "Copy it again, or cut that place out in an editor.",
                    code="audio_damaged_inside",
                ) from damage
            damage = None  # rubbish before the first sound is skipped
            rate = frame.sample_rate
            decoded += frame.samples
            yield frame


def _check_frame(name: str, frame: AudioFrame) -> None:
    check_parameters(name, frame.sample_rate, frame.layout.nb_channels)
    if frame.format.packed.name not in _SAMPLE_FORMATS:
        raise AudioError(
            f"“{name}” holds samples in the rare format {frame.format.name}. Export it as 24-bit WAV or FLAC.",
            code="not_audio",
        )


def _alike(one: AudioFrame, other: AudioFrame) -> bool:
    return (
        one.format.name == other.format.name
        and one.sample_rate == other.sample_rate
        and one.layout.name == other.layout.name
    )


def _native(frames: list[AudioFrame]) -> NativeBlock:
    first = frames[0]
    count = first.layout.nb_channels
    raw = np.concatenate([frame.to_ndarray() for frame in frames], axis=1)
    raw = raw.T if first.format.is_planar else raw.reshape(-1, count)
    kind = first.format.packed.name
    if kind in _SCALE:
        samples = np.multiply(raw, np.float32(_SCALE[kind]), dtype=np.float32)
        if kind == "u8":
            samples -= 1
    else:
        samples = np.ascontiguousarray(raw, dtype=np.float32)
        if not np.isfinite(samples).all():
            samples = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
    return NativeBlock(samples, first.sample_rate, tuple(channel.name for channel in first.layout.channels))


def _resampled(blocks: Iterable[NativeBlock]) -> Iterator[Block]:
    """Stereo at 44.1 kHz. A source that changes its rate on the way gets a new resampler there."""
    resampler: soxr.ResampleStream | None = None
    rate = SAMPLE_RATE
    for block in blocks:
        stereo = to_stereo(block.samples, block.channels)
        if block.sample_rate != rate:
            if resampler is not None:
                yield resampler.resample_chunk(np.zeros((0, 2), np.float32), last=True)
            rate = block.sample_rate
            resampler = None
            if rate != SAMPLE_RATE:
                resampler = soxr.ResampleStream(rate, SAMPLE_RATE, CHANNELS, dtype="float32")
        yield stereo if resampler is None else resampler.resample_chunk(stereo)
    if resampler is not None:
        yield resampler.resample_chunk(np.zeros((0, 2), np.float32), last=True)


def _reblocked(blocks: Iterable[Block], frames: int) -> Iterator[Block]:
    held: list[Block] = []
    count = 0
    for block in blocks:
        rest = block
        while count + len(rest) >= frames:
            take = frames - count
            whole = np.concatenate([*held, rest[:take]]) if held else rest[:take]
            yield np.ascontiguousarray(whole)
            rest = rest[take:]
            held, count = [], 0
        if len(rest):
            held.append(rest)
            count += len(rest)
    if held:
        yield np.concatenate(held)


def _clock(seconds: float) -> str:
    """Minutes and seconds as players show them: 83.46 is 1:23.5."""
    tenths = math.floor(seconds * 10 + 0.5)
    return f"{tenths // 600}:{tenths // 10 % 60:02d}.{tenths % 10}"
