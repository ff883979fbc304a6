"""Other people's scripts among our static files are those that package-lock.json names."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "node_modules" / "tus-js-client"


@pytest.mark.skipif(not PACKAGE.exists(), reason="needs node_modules (make test has them)")
def test_tus_is_as_its_package_has_it():
    """Else: npm ci, then scripts/vendor-tus."""
    vendored = ROOT / "static" / "vendor"
    script, comment = (PACKAGE / "dist" / "tus.min.js").read_text().rstrip("\n").rsplit("\n", 1)
    assert comment.startswith("//# sourceMappingURL=")
    assert (vendored / "tus.min.js").read_text() == script + "\n"
    assert (vendored / "tus.LICENSE.txt").read_text() == (PACKAGE / "LICENSE").read_text()
