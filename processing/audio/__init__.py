"""Audio in and out: decoding, metering, waveform pictures and encoding, all in blocks and constant memory.

The working format everywhere between decoding and encoding is 32-bit float, stereo, 44.1 kHz: what the pretrained
networks were trained on. A block is a C-contiguous float32 array of shape (frames, 2), full scale ±1.
"""

from collections.abc import Callable

SAMPLE_RATE = 44_100
CHANNELS = 2

# Called with the finished fraction, 0 to 1. It may raise to cancel: the caller cleans up what it had begun.
Progress = Callable[[float], None]


def no_progress(_fraction: float) -> None:
    """Report to nobody."""
