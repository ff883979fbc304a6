"""Which Chromium is driven, and how. STEMSET_CHROMIUM names another one than the system's."""

import os
import shutil

FLAGS = [
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--mute-audio",
]


def chromium() -> str | None:
    """Return the path of the program; None is the one that Playwright downloads, for machines that have no other."""
    return os.environ.get("STEMSET_CHROMIUM") or shutil.which("chromium")
