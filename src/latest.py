"""Prints the folder of the latest run, for `make board`; needs Python alone, and no package."""

import sys

from src.commands import DONE, exit_status
from src.store.run_directory import RUNS, RunDirectory


def main() -> int:
    """Prints the folder and returns the exit status: 0, or 2 where there is no run."""

    def print_latest() -> int:
        print(RunDirectory.find(RUNS, None).path)
        return DONE

    return exit_status(print_latest, "stopped")


if __name__ == "__main__":
    sys.exit(main())
