"""Deletes the leaves of the project one by one, and searches with what is left.

    python -m tests.benchmarks.leaves                 each leaf in a copy of its own, some minutes
    python -m tests.benchmarks.leaves --all           all leaves at once, in one copy
    python -m tests.benchmarks.leaves --only grid tpe
    python -m tests.benchmarks.leaves --list

A leaf is a part that somebody may delete, with its lines in the tables of names: the folders below,
and every tuner, pruner, executor, data source and HyperModel that the preset `quick` does not use.
The latter are read from the tables, so that one that is added is a leaf as well. In each copy of
the files that git tracks, `python -m src.tune --config quick` must end with an exported model. The
exit status is 1 if it does not.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.processes import REPOSITORY

FOLDERS = {  # leaves that are no entry of a table
    "reporting": "src/reporting",
    "console": "src/console",
    "training": "hypermodels/training",
}
TABLES = ("src/registry.py", "hypermodels/__init__.py")
PARTS = ("src/data/sources", "src/tuners", "src/execution", "hypermodels")
"""Folders whose modules, and folders, are parts that the tables name."""
QUICK = ("digits", "random", "none", "serial", "mlp")  # names that the preset `quick` needs
TOGETHER = (("gp", "bohb"),)  # bohb builds on gp

_ENTRY = re.compile(r'\s*"(?P<name>\w+)":.*?"(?P<module>[\w.]+):\w+')
LINES = 15  # of a failed command's output that are shown


@dataclass(frozen=True)
class Leaf:
    """A part that can be deleted.

    Attributes:
        names: its entries in the tables, or the name of its folder.
        paths: files and folders of its own, relative to the project's folder; none where a module
            has other parts as well.
    """

    names: tuple[str, ...]
    paths: tuple[str, ...]

    @property
    def name(self) -> str:
        """All names."""
        return ", ".join(self.names)


def main() -> int:
    """Deletes leaves and searches, and returns the exit status."""
    options = _options()
    found = find_leaves(REPOSITORY)
    if options.only:
        found = [leaf for leaf in found if {*leaf.names} & {*options.only}]
    if options.list:
        for leaf in found:
            print(f"{leaf.name}: {', '.join(leaf.paths) or 'a line in a table'}")
        return 0
    failed = 0
    for leaves in [found] if options.all else [[leaf] for leaf in found]:
        with tempfile.TemporaryDirectory() as folder:
            copy_project(Path(folder) / "project")
            delete_leaves(Path(folder) / "project", leaves)
            problem = run_quick(Path(folder) / "project", Path(folder) / "runs")
        print(f"{'failed' if problem else 'ok':<8}{'; '.join(leaf.name for leaf in leaves)}")
        if problem:
            failed += 1
            print(problem)
        sys.stdout.flush()
    return 1 if failed else 0


def find_leaves(project: Path) -> list[Leaf]:
    """Returns all leaves of a project.

    Args:
        project: its folder.
    """
    places: dict[str, list[str]] = {}  # names by the file or folder of their parts
    for table in TABLES:
        for line in (project / table).read_text().splitlines():
            entry = _ENTRY.match(line)
            place = _place(project, entry["module"]) if entry else None
            if entry and place:
                places.setdefault(place, []).append(entry["name"])
    leaves = [Leaf((name,), (path,)) for name, path in FOLDERS.items()]
    for place, owned in places.items():
        if {*owned} & {*QUICK}:
            leaves += [Leaf((name,), ()) for name in owned if name not in QUICK]
        else:
            leaves.append(Leaf(tuple(owned), (place,)))
    for group in TOGETHER:
        members = [leaf for leaf in leaves if {*leaf.names} & {*group}]
        names = tuple(name for leaf in members for name in leaf.names)
        paths = tuple(path for leaf in members for path in leaf.paths)
        leaves = [*(leaf for leaf in leaves if leaf not in members), Leaf(names, paths)]
    return leaves


def copy_project(folder: Path) -> None:
    """Copies the files that git tracks, as they are now.

    Args:
        folder: takes them; made here.
    """
    command = ["git", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (REPOSITORY / name).is_file():  # it may have been deleted since the last commit
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, folder / name)


def delete_leaves(project: Path, leaves: Iterable[Leaf]) -> None:
    """Deletes leaves: their files and folders, and their lines in the tables.

    Args:
        project: the folder of a copy of the project.
        leaves: some of `find_leaves`.

    Raises:
        FileNotFoundError: if a file or folder is not there.
    """
    leaves = list(leaves)
    names = {name for leaf in leaves for name in leaf.names}
    modules = [path.removesuffix(".py").replace("/", ".") for leaf in leaves for path in leaf.paths]
    ends = "|".join(map(re.escape, modules))
    deleted = re.compile(rf"(?<![\w.])(?:{ends})(?![\w])") if modules else re.compile(r"(?!)")
    for table in TABLES:
        path = project / table
        lines = path.read_text().splitlines(keepends=True)
        kept = [
            line
            for line in lines
            if not deleted.search(line)
            and not ((entry := _ENTRY.match(line)) and entry["name"] in names)
        ]
        path.write_text("".join(kept))
    for path in (project / name for leaf in leaves for name in leaf.paths):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def run_quick(project: Path, runs: Path) -> str:
    """Searches with the preset `quick`.

    Args:
        project: the folder of a copy of the project.
        runs: takes the run.

    Returns:
        What went wrong: the last lines of the command's output; empty if it exported a model.
    """
    command = [sys.executable, "-m", "src.tune", "--config", "quick", f"run.directory={runs}"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    if done.returncode == 0 and list(runs.glob("*/best/model.keras")):
        return ""
    output = (done.stdout + done.stderr).splitlines()
    return "\n".join([f"exit status {done.returncode}", *output[-LINES:]])


def _place(project: Path, module: str) -> str | None:
    """The file of a part, or its folder if it has one of its own; None if no leaf can be there."""
    path = module.replace(".", "/")
    for parts in PARTS:
        if path.startswith(f"{parts}/"):
            first = f"{parts}/{path.removeprefix(f'{parts}/').partition('/')[0]}"
            return first if (project / first).is_dir() else f"{first}.py"
    return None


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.leaves",
        description=(__doc__ or "").partition("\n")[0],
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="some leaves alone")
    parser.add_argument("--all", action="store_true", help="delete them at once, not one by one")
    parser.add_argument("--list", action="store_true", help="say what the leaves are, and no more")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
