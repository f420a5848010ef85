#!/usr/bin/env python
"""Django's command line for this project; see README.md for the commands that matter."""

import os
import sys

from domainsite.environment import SettingsError


def main() -> None:
    """Run one management command; settings that cannot be used are named without a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "domainsite.settings")
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except SettingsError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
