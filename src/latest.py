"""Prints the folder of the latest run, for `make board`; needs Python alone, and no package."""

import sys

from src.commands import DONE, exit_status
from src.store.run_directory import RUNS, RunDirectory


def main() -> int:
    """Prints it and returns the exit status.

    0: done. 2: there is no run.
    """
    return exit_status(_print_latest, "stopped")


def _print_latest() -> int:
    print(RunDirectory.find(RUNS, None).path)
    return DONE


if __name__ == "__main__":
    sys.exit(main())
