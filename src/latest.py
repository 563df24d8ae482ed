"""Prints the folder of the latest run, for `make board`; needs Python alone, and no package."""

import sys

from src.commands import exit_status
from src.store.run_directory import RUNS, RunDirectory

if __name__ == "__main__":
    sys.exit(exit_status(lambda: print(RunDirectory.find(RUNS, None).path), "stopped"))
