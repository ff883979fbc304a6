"""Makes the audio files of these tests: good ones in every format, and bad ones of every kind."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

RATE = 44_100


def tone(seconds=1.0, *, rate=RATE, channels=2, level=0.25, hertz=440.0):
    """A sine of the same phase in all channels: float32 of shape (frames, channels)."""
    time = np.arange(round(seconds * rate)) / rate
    wave = level * np.sin(2 * np.pi * hertz * time)
    return np.repeat(wave[:, np.newaxis], channels, axis=1).astype(np.float32)


def noise(frames, *, seed=0, level=0.1, channels=2):
    return (level * np.random.default_rng(seed).standard_normal((frames, channels))).astype(np.float32)


def write_wav(path: Path, samples, *, rate=RATE, subtype="PCM_16", format="WAV") -> Path:
    soundfile.write(path, samples, rate, subtype=subtype, format=format)
    return path


def write_av(path: Path, samples, *, codec, container, sample_format="fltp", rate=RATE, layout="stereo", video=False):
    """Encode with FFmpeg; `video` adds a small moving picture first."""
    with av.open(str(path), "w", format=container) as out:
        picture = out.add_stream("mpeg4", rate=25, width=64, height=48, pix_fmt="yuv420p") if video else None
        stream = out.add_stream(codec, rate=rate, layout=layout)
        stream.codec_context.format = sample_format
        if picture:
            for index in range(25):
                frame = VideoFrame.from_ndarray(np.full((48, 64, 3), index * 9, np.uint8), format="rgb24")
                frame.pts = index
                frame.time_base = Fraction(1, 25)
                out.mux(picture.encode(frame))
            out.mux(picture.encode(None))
        for start in range(0, len(samples), RATE):
            part = samples[start : start + RATE]
            plane = part.T if sample_format.endswith("p") else part.reshape(1, -1)
            frame = AudioFrame.from_ndarray(np.ascontiguousarray(plane), format=sample_format, layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def write_video_only(path: Path) -> Path:
    with av.open(str(path), "w", format="mp4") as out:
        stream = out.add_stream("mpeg4", rate=25, width=64, height=48, pix_fmt="yuv420p")
        for index in range(10):
            frame = VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            frame.pts = index
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def cut(path: Path, target: Path, share: float) -> Path:
    """The first part of a file."""
    data = path.read_bytes()
    target.write_bytes(data[: int(len(data) * share)])
    return target


def joined(blocks: Iterable[np.ndarray]) -> np.ndarray:
    return np.concatenate(list(blocks))
