"""What runs in the child process of a worker: one attempt at one job.

A process of its own gives all memory back when it ends, that of a GPU too, and a crash in native code costs one
attempt. Importing this module sets Django up, once for all children (the fork server imports it).
"""

import contextlib
import os
import signal
import threading
import time
from multiprocessing import connection, parent_process
from typing import Any, Literal
from uuid import UUID

import django

from stemset.commands import terminate_like_ctrl_c

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stemset.settings")
django.setup()

from processing.jobs import failures  # noqa: E402 - needs Django
from processing.jobs.doing import do  # noqa: E402
from processing.jobs.transitions import NoLongerOurs  # noqa: E402
from processing.models import Job  # noqa: E402
from processing.remote.handing_over import RemoteBusy  # noqa: E402

# What a child says: how far it is, and at last what became of the attempt.
Said = (
    tuple[Literal["at"], str, float]
    | tuple[Literal["done", "stopped"]]
    | tuple[Literal["busy"], str, int]  # why, and for how many seconds
    | tuple[Literal["failed"], Any]
)
# After which to look again whether somebody else has finished with a recording.
BUSY_SECONDS = 10
# How long cleaning up may take when the worker is gone.
LAST_SECONDS = 10.0


def run(job_id: UUID, out: "connection.Connection[Said, Any]") -> None:
    """Do the job and say how that goes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a terminal reaches us too; the worker decides
    threading.Thread(target=leave_with_the_parent, daemon=True).start()
    last: Said
    try:
        with terminate_like_ctrl_c():
            result = do(
                Job.objects.select_related("profile").get(pk=job_id), lambda step, part: out.send(("at", step, part))
            )
        busy = result is not None and result.status == "busy"
        last = ("busy", "somebody else is at this recording", BUSY_SECONDS) if busy else ("done",)
    except RemoteBusy as full:
        last = ("busy", str(full), full.seconds)
    except (KeyboardInterrupt, NoLongerOurs, BrokenPipeError):
        last = ("stopped",)
    except BaseException as error:
        last = ("failed", failures.judge(error))
    with contextlib.suppress(OSError):
        out.send(last)


def leave_with_the_parent() -> None:
    """End this process when its parent has: a worker that was killed can stop nobody; its work is given to another."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(LAST_SECONDS)
    os._exit(1)
