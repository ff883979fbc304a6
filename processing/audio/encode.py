"""Writing a stem in the format a profile asks for, block by block.

Whatever the format, what is decoded again has exactly the stem's length and no lag, and the same stem gives the
same bytes.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

import av
import numpy as np
import soundfile
import soxr
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from processing.audio import CHANNELS, SAMPLE_RATE

Format = Literal["opus", "flac", "wav", "aac"]

MIN_KBPS, MAX_KBPS = 32, 256  # for both channels together
OPUS_RATE = 48_000
WAV_LIMIT = 0xFFFFFFFF - 4096  # bytes of samples that a plain WAV can hold beside its header
# Opus carries overshoots, and a player's gain may bring them back below full scale: gains go down to −12 dB (see
# gains), so up to +12 dB is worth keeping. FFmpeg's AAC encoder instead turns down every frame that passes full
# scale, audibly at first: it gets clipped samples.
OPUS_CEILING = 4.0
AAC_CEILING = 1.0
_EXTENSIONS: dict[Format, str] = {"opus": ".opus", "flac": ".flac", "wav": ".wav", "aac": ".m4a"}

Block = NDArray[np.float32]


def extension_for(format: Format) -> str:
    """The file name extension, with its dot."""
    return _EXTENSIONS[format]


def encode(blocks: Iterable[Block], target: Path, *, format: Format, bitrate_kbps: int, frames: int) -> None:
    """Write all blocks to `target`; see StemWriter."""
    with StemWriter(target, format=format, bitrate_kbps=bitrate_kbps, frames=frames) as writer:
        for block in blocks:
            writer.push(block)


class StemWriter:
    """Encodes pushed blocks, float32 of shape (n, 2) at 44.1 kHz, into one file of exactly `frames` frames.

    A context manager: left by an exception, or failing to close, it removes its file. Pushing another number of
    frames than announced is a ValueError. `bitrate_kbps`, 32 to 256 for both channels together, matters to opus
    and aac only. Samples over full scale are clipped, except in opus, which carries them; NaN and infinity
    become 0. wav and flac are 24 bit. Raises OSError when the target cannot be written.
    """

    def __init__(self, target: Path, *, format: Format, bitrate_kbps: int, frames: int) -> None:
        if not MIN_KBPS <= bitrate_kbps <= MAX_KBPS:
            raise ValueError(f"the bit rate must be {MIN_KBPS} to {MAX_KBPS} kbit/s, not {bitrate_kbps}")
        if frames < 1:
            raise ValueError("a stem has at least one frame")
        self.target = target
        self._frames = frames
        self._pushed = 0
        self._open = True
        self._sink: _Sink
        try:
            if format == "opus":
                self._sink = _Resampled(target, bitrate_kbps, frames)
            elif format == "aac":
                self._sink = _Compressed(target, "aac", bitrate_kbps)
            else:
                self._sink = _Lossless(target, format, frames)
        except BaseException:
            target.unlink(missing_ok=True)
            raise

    def push(self, block: Block) -> None:
        """Encode the next block; of any length, not only equal ones."""
        self._pushed += len(block)
        if self._pushed > self._frames:
            raise ValueError(f"{self._pushed} frames pushed, {self._frames} announced")
        if not len(block):
            return
        if not np.isfinite(block).all():
            block = np.nan_to_num(block, nan=0.0, posinf=0.0, neginf=0.0)
        self._sink.push(block)

    def close(self) -> None:
        """Finish the file. Closing twice does nothing."""
        if not self._open:
            return
        try:
            self._finish()
        except BaseException:
            self.discard()
            raise
        self._open = False

    def _finish(self) -> None:
        if self._pushed != self._frames:
            raise ValueError(f"{self._pushed} frames pushed, {self._frames} announced")
        self._sink.finish()
        self._sink.close()  # writes the last of the headers: part of what may fail

    def discard(self) -> None:
        """Give up: close and remove the file."""
        if self._open:
            self._open = False
            try:
                self._sink.close()
            finally:
                self.target.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()


class _Sink(Protocol):
    def push(self, block: Block) -> None: ...
    def finish(self) -> None: ...
    def close(self) -> None: ...


class _Lossless:
    """24-bit PCM through libsndfile, as WAV (RF64 past 4 GB) or FLAC: both hold the same samples."""

    def __init__(self, target: Path, format: Literal["flac", "wav"], frames: int) -> None:
        container = "FLAC" if format == "flac" else "WAV"
        if format == "wav" and frames * CHANNELS * 3 > WAV_LIMIT:
            container = "RF64"
        with _disk_errors(target):
            self._file = soundfile.SoundFile(
                target, "w", samplerate=SAMPLE_RATE, channels=CHANNELS, format=container, subtype="PCM_24"
            )
        self._target = target

    def push(self, block: Block) -> None:
        # Rounding here: libsndfile would cut off towards minus infinity where it clips.
        whole = np.rint(np.clip(block, -1, 1) * np.float32(2**23)).astype(np.int32)
        np.minimum(whole, 2**23 - 1, out=whole)
        with _disk_errors(self._target):
            self._file.write(np.left_shift(whole, 8, out=whole))

    def finish(self) -> None:
        self._file.flush()

    def close(self) -> None:
        with _disk_errors(self._target):
            self._file.close()


@contextmanager
def _disk_errors(target: Path) -> Iterator[None]:
    """libsndfile reports a full disk and a missing folder by an error of its own; callers know OSError."""
    try:
        yield
    except soundfile.LibsndfileError as error:
        raise OSError(f"cannot write {target}: {error.error_string}") from error


class _Compressed:
    """Opus in Ogg or AAC in MP4 through FFmpeg, at the rate it is given."""

    def __init__(self, target: Path, codec: Literal["libopus", "aac"], bitrate_kbps: int) -> None:
        opus = codec == "libopus"
        self._rate = OPUS_RATE if opus else SAMPLE_RATE
        self._ceiling = OPUS_CEILING if opus else AAC_CEILING
        self._planar = not opus
        self._position = 0
        self._container = av.open(
            f"file:{target.absolute()}",
            "w",
            format="opus" if opus else "ipod",
            # bitexact: no random stream serial, no dates, no version strings
            options={"fflags": "+bitexact", **({} if opus else {"movflags": "+faststart"})},
        )
        try:
            self._stream: AudioStream = self._container.add_stream(
                codec,
                rate=self._rate,
                layout="stereo",
                options={"flags": "+bitexact", **({"compression_level": "5"} if opus else {"aac_coder": "fast"})},
            )
            self._stream.bit_rate = bitrate_kbps * 1000
            self._stream.codec_context.format = "fltp" if self._planar else "flt"
        except BaseException:
            self._container.close()
            raise

    def push(self, block: Block) -> None:
        limited = np.clip(block, -self._ceiling, self._ceiling)
        plane = np.ascontiguousarray(limited.T) if self._planar else limited.reshape(1, -1)
        frame = AudioFrame.from_ndarray(plane, format="fltp" if self._planar else "flt", layout="stereo")
        frame.sample_rate = self._rate
        frame.time_base = Fraction(1, self._rate)
        frame.pts = self._position
        self._position += len(block)
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        self._container.mux(self._stream.encode(None))

    def close(self) -> None:
        self._container.close()


class _Resampled:
    """Opus at 48 kHz, the rate it works at inside. The length is the stem's, rounded to a sample of 48 kHz."""

    def __init__(self, target: Path, bitrate_kbps: int, frames: int) -> None:
        self._missing = opus_frames(frames)
        self._resampler = soxr.ResampleStream(SAMPLE_RATE, OPUS_RATE, CHANNELS, dtype="float32")
        self._sink = _Compressed(target, "libopus", bitrate_kbps)

    def push(self, block: Block) -> None:
        self._pass(self._resampler.resample_chunk(np.ascontiguousarray(block)))

    def _pass(self, block: Block) -> None:
        exact = block[: self._missing]  # the resampler may be a sample off at the end
        if len(exact):
            self._sink.push(exact)
            self._missing -= len(exact)

    def finish(self) -> None:
        self._pass(self._resampler.resample_chunk(np.zeros((0, CHANNELS), np.float32), last=True))
        self._pass(np.zeros((self._missing, CHANNELS), np.float32))
        self._sink.finish()

    def close(self) -> None:
        self._sink.close()


def opus_frames(frames: int) -> int:
    """How many frames at 48 kHz a stem of `frames` frames at 44.1 kHz has: rounded, at least one."""
    return max(1, (2 * frames * OPUS_RATE + SAMPLE_RATE) // (2 * SAMPLE_RATE))
