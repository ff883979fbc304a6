"""How pages and the admin write down times, levels, sizes and names."""

import math
from collections.abc import Sized
from pathlib import PurePosixPath

from django import template

register = template.Library()

# A meter shows loudness between these: below the first nothing is heard, the second is a very loud master.
QUIET_LUFS, LOUD_LUFS = -50.0, -8.0


@register.filter
def clock(seconds: float) -> str:
    """Write a duration as a player does: 3:07, or 1:02:03. A part of a second is cut, as on a clock."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@register.filter
def iso_duration(seconds: float) -> str:
    """Write a duration for <time datetime>."""
    return f"PT{seconds:.3f}S"


@register.filter
def suffix(key: str) -> str:
    """Write the end of a file's name: .opus."""
    return PurePosixPath(key).suffix.lower()


@register.filter
def lufs(loudness: float | None) -> str:
    """Write a loudness; what has none is silent."""
    return "silent" if loudness is None else f"{_minus(f'{loudness:.1f}')} LUFS"


@register.filter
def gain(decibels: float) -> str:
    """Write a change of level with its sign."""
    text = f"{decibels:+.1f}"
    return f"{_minus('0.0' if text in ('+0.0', '-0.0') else text)} dB"


@register.filter
def dbfs(amplitude: float) -> str:
    """Write a peak (1 is full scale) in decibels."""
    if amplitude <= 0:
        return "−∞ dBFS"
    text = f"{20 * math.log10(amplitude):.1f}"
    return f"{_minus('0.0' if text == '-0.0' else text)} dBFS"


@register.filter
def loudness_share(loudness: float | None, full: int) -> int:
    """Return how much of a meter `full` units high a loudness fills: at least one unit unless silent."""
    if loudness is None:
        return 0
    share = (loudness - QUIET_LUFS) / (LOUD_LUFS - QUIET_LUFS)
    return round(min(max(share * full, 1), full))


@register.filter
def below(filled: int, full: int) -> int:
    """Return where a bar starts that stands on the ground: SVG counts from the top."""
    return full - filled


@register.filter
def meter_left(place: int) -> int:
    """Return where the bar at a place (from 0) of a meter starts: bars are 5 wide, gaps 2."""
    return place * 7


@register.filter
def meter_width(stems: Sized) -> int:
    """Return how wide a meter of these stems is."""
    return max(len(stems) * 7 - 2, 5)


def _minus(text: str) -> str:
    return text.replace("-", "−")
