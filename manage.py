#!/usr/bin/env python
"""Django's command line: `python manage.py help` lists what there is."""

import os
import sys


def main() -> None:
    """Run a command. What it needs is imported here, so that worker processes, which import this file, do without."""
    from django.core.management import execute_from_command_line  # noqa: PLC0415

    from stemset.start import configuration_mistakes_as_text  # noqa: PLC0415

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stemset.settings")
    # A command ends soon and talks to the database from one thread: a pool would only cost connections.
    os.environ.setdefault("DATABASE_POOL", "false")
    with configuration_mistakes_as_text():
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:  # before a command had begun; from then on it says itself what that means
        sys.exit(130)
