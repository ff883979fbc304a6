#!/usr/bin/env python
"""Django's command line: `python manage.py help` lists what there is."""

import os
import sys

from django.core.management import execute_from_command_line

from stemset.start import configuration_mistakes_as_text

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stemset.settings")
    # A command ends soon and talks to the database from one thread: a pool would only cost connections.
    os.environ.setdefault("DATABASE_POOL", "false")
    with configuration_mistakes_as_text():
        execute_from_command_line(sys.argv)
