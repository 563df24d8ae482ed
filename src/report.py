"""Reports on searches: `python -m src.report [RUN …]`; needs no TensorFlow and no server."""

import argparse
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from src.commands import DONE, exit_status
from src.errors import UserError


def main(arguments: Sequence[str] | None = None) -> int:
    """Reports on runs from the command line; returns the exit status, which `--help` explains."""
    options = _parser().parse_args(arguments)
    return exit_status(lambda: _report(options), "stopped; no report was written")


def _report(options: argparse.Namespace) -> int:
    if find_spec("src.reporting") is None:
        raise UserError("src/reporting/, which makes reports, was deleted")
    from rich.console import Console
    from rich.text import Text

    from src.files import write_atomically
    from src.reporting.frames import find_run
    from src.reporting.page.comparison import comparison_page
    from src.reporting.page.document import run_page
    from src.reporting.page.terminal import show_comparison, show_report
    from src.reporting.run_data import read_run
    from src.reporting.story import tell

    found = [find_run(name) for name in options.runs or [None]]
    runs = [read_run(run) for run in {run.path.resolve(): run for run in found}.values()]
    stories = [tell(data) for data in runs]
    console = Console(quiet=options.quiet)
    if len(runs) == 1:
        show_report(console, runs[0], stories[0])
        page, file = run_page(runs[0], stories[0]), runs[0].run.report
    else:
        show_comparison(console, runs, stories)
        page, file = comparison_page(runs, stories), runs[0].run.comparison
    file = file if options.output is None else Path(options.output)
    write_atomically(file, page)
    console.print(Text(f"\nreport  {file}"), soft_wrap=True)
    if options.plots is not None:
        from src.reporting.page.pictures import write_pictures

        for data, story in zip(runs, stories, strict=True):
            folder = Path(options.plots)
            count = write_pictures(folder / data.run.name if len(runs) > 1 else folder, data, story)
            console.print(Text(f"plots   {count} in {folder}"), soft_wrap=True)
    if options.quiet:
        print(file)
    return DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m src.report",
        description="Writes the report of a run, or a comparison of several, as one HTML file, and "
        "prints the best trials. Works while a search runs.",
        epilog="exit status: 0 done; 1 the report could not be written; 2 there is no such run",
    )
    add = parser.add_argument
    run_help = "a run's folder, or its name below logs/; without one, the latest"
    add("runs", nargs="*", metavar="RUN", help=run_help)
    output_help = "by default report.html, or comparison.html, in the folder of the first run"
    add("--output", metavar="FILE", help=output_help)
    add("--plots", metavar="FOLDER", help="write each plot as an SVG file into this folder too")
    add("--quiet", action="store_true", help="print the file's path and no more")
    return parser


if __name__ == "__main__":
    sys.exit(main())
