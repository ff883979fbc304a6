"""How much of the machine this process may use."""

import os


def usable_cores() -> int:
    """Return how many cores the operating system or a container's settings let this process use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
