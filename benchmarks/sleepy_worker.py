"""`manage.py worker` with an engine of known cost (benchmarks/sleepy_engine.py)."""

import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stemset.settings")
os.environ.setdefault("DATABASE_POOL", "false")

if __name__ == "__main__":
    import multiprocessing

    import django
    from django.core.management import execute_from_command_line

    django.setup()
    import processing.jobs.attempt  # noqa: F401 - names what children import first

    multiprocessing.get_context("forkserver").set_forkserver_preload(
        ["processing.jobs.child", "benchmarks.sleepy_engine"]
    )
    execute_from_command_line(["manage.py", "worker", *sys.argv[1:]])
