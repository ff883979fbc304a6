"""What Schemathesis does for us besides its own checks: looks for foreign data, and counts.

It loads this module into its own process; tests.fuzz.running says in a file what to look for and where to write.
"""

import atexit
import json
import os
import threading
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import schemathesis

PLAN = json.loads(Path(os.environ["STEMSET_FUZZ_PLAN"]).read_text())
FORBIDDEN: list[str] = PLAN["forbidden"]
_counted: Counter[str] = Counter()
_lock = threading.Lock()


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    """Count an answer."""
    with _lock:
        _counted[f"{case.operation.label} {response.status_code}"] += 1


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Pass over what is as it should be, which no schema can say."""
    # An address so long that gunicorn itself refuses it: the site never sees it.
    if response.status_code == 414:
        return False
    # Blanks around a text are taken off before its length is looked at.
    return "`maxLength`" not in failure.message


@schemathesis.check
def no_foreign_data(ctx: Any, response: Any, case: Any) -> None:
    """Fail when an answer has something of the other band that was not in the request itself."""
    sent = response.request
    body = sent.body if isinstance(sent.body, str) else (sent.body or b"").decode(errors="replace")
    asked = f"{unquote_plus(sent.url)} {body}".lower()
    answered = f"{response.text or ''} {response.headers}".lower()
    found = [mark for mark in FORBIDDEN if mark in answered and mark not in asked]
    assert not found, f"The answer has something of the other band in it: {', '.join(found)}"


@atexit.register
def write_counts() -> None:
    """Leave the numbers to whoever started this."""
    Path(PLAN["counts"]).write_text(json.dumps(_counted))
