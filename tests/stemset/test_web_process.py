"""What a web process does without."""

import os
import subprocess
import sys

from tests.site import ROOT, site_environment

HEAVY = ("numpy", "scipy", "av", "soundfile", "soxr", "onnxruntime")
LOOK = f"""
import sys, django
django.setup()
import stemset.urls
print([name for name in {HEAVY!r} if name in sys.modules])
"""


def test_it_loads_nothing_that_handles_audio():
    """It would cost each of them a hundred megabytes: pages, API and uploads leave that to workers and children."""
    environment = {**site_environment(), "DJANGO_SETTINGS_MODULE": "stemset.settings", "PYTHONPATH": os.fspath(ROOT)}
    looked = subprocess.run(
        [sys.executable, "-c", LOOK], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert looked.stdout.strip() == "[]"
