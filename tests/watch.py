"""`make watch`: runs the suite again after every save; the tests that failed come first.

Changes are seen by looking at the files' times: watchers of the file system are drowned by the virtual
environment's own files.
"""

import subprocess
import sys
import time
from pathlib import Path

from domainsite.changes import changed_at

BASE_DIR = Path(__file__).resolve().parent.parent
LOOK_EVERY_S = 0.5


def main() -> None:
    """Run the suite, wait for a change, run it again, until Ctrl-C."""
    while True:
        seen = changed_at(BASE_DIR)
        subprocess.run(
            [sys.executable, "-m", "pytest", "--failed-first", *sys.argv[1:]], cwd=BASE_DIR, check=False
        )
        sys.stdout.write("\nWaiting for a change …\n")
        while changed_at(BASE_DIR) <= seen:
            time.sleep(LOOK_EVERY_S)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
