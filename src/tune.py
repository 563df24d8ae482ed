"""Searches hyperparameters: `python -m src.tune [--config NAME or PATH] [key=value …]`."""

import argparse
import atexit
import json
import shlex
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING

from hypermodels import HYPERMODELS
from src.commands import DONE, FAILED, INTERRUPTED, exit_status
from src.config.objectives import COSTS, KNOWN_DIRECTIONS
from src.config.presets import preset_names
from src.registry import PRUNERS, SOURCES, TUNERS
from src.scratch import ScratchFolder
from src.signals import Interruption, StopRequest
from src.text import python_command, resume_command

if TYPE_CHECKING:
    from src.config import Config
    from src.search.resume import ResumedRun

LONGEST_TMPDIR = 50  # of the 107 bytes of a socket's path, multiprocessing and the folder take 54
LATEST = ""  # of --resume: no run is named


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one search from the command line and returns the exit status.

    0: done. 1: no trial completed, too many failed in a row, the disk failed, or the best model
    could not be exported. 2: a mistake in the configuration, the data or the command line. 130:
    stopped by Ctrl-C, SIGTERM or SIGHUP.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_intermixed_args(words)
    if options.resume and "=" in options.resume:  # an override that follows a bare --resume
        options.overrides.insert(0, options.resume)
        options.resume = LATEST
    stopped = "stopped before the first trial; nothing was searched"
    if options.resume is not None:
        stopped = _kept(f"{python_command()} -m src.tune {shlex.join(words)}")
    return exit_status(lambda: _tune(options, words), stopped)


def _tune(options: argparse.Namespace, words: Sequence[str]) -> int:
    # Imported step by step, so that mistakes that need no TensorFlow are told at once.
    from src.config import load_config

    workers = [] if options.workers is None else [f"run.workers={options.workers}"]
    run = options.warm_start
    earlier = [] if run is None else [f"tuner.warm_start={_quoted(run)}"]
    overrides = [*options.overrides, *workers, *earlier]
    if options.resume is None:
        return _search(options, words, load_config(options.config, overrides), None)
    resumed: ResumedRun | None = None
    try:
        from src.search import resume as resuming

        with StopRequest() as stop:  # a lock is never half taken
            resumed = resuming.open_run(options.resume or None, options.config, tuple(overrides))
        if stop.requested:
            raise KeyboardInterrupt
        return _search(options, words, resumed.config, resumed)
    except KeyboardInterrupt:
        if resumed is None:
            raise
        print(_kept(resume_command(resumed.run.path)), file=sys.stderr)
        return INTERRUPTED
    finally:
        if resumed is not None:
            resumed.lock.release()


def _quoted(text: str) -> str:
    """A text as YAML, whatever it may look like."""
    return json.dumps(text)


def _kept(command: str) -> str:
    return f"stopped; what was finished before is kept. Go on with: {command}"


def _search(
    options: argparse.Namespace,
    words: Sequence[str],
    config: "Config",
    resumed: "ResumedRun | None",
) -> int:
    with Interruption():
        from src.startup import start_fork_server, start_tensorflow

        if config.run.resolved_engine == "process" and not options.dry_run:
            start_fork_server()  # before all else, so that workers come up meanwhile
        start_tensorflow(threads=config.run.threads)

        from rich.console import Console

        from src.config import differing
        from src.console.listener import ConsoleListener
        from src.console.summary import show_outcome, show_plan
        from src.console.text import show_notice
        from src.search import preparation, workflow
        from src.search.listener import SearchListener

        console = Console(quiet=options.quiet)
        prepared = preparation.prepare(config, None if resumed is None else resumed.saved)
        show_plan(console, prepared, differing(config))
        for notice in [*prepared.notices, *([] if resumed is None else resumed.notices)]:
            show_notice(console, notice)
        if options.dry_run:
            return DONE

        listeners: list[SearchListener] = [ConsoleListener(console)]
        if find_spec("src.reporting") is not None:  # the folder may be deleted
            from src.reporting import report_listeners

            listeners = [*report_listeners(), *listeners]
    outcome = workflow.search(prepared, listeners, resumed)
    with suppress(KeyboardInterrupt):  # all is on the disk
        show_outcome(console, prepared, outcome, words)
    if options.quiet:
        print(outcome.run.path)
        if outcome.end.kind != "finished" or outcome.winner is None:
            print(f"stopped: {outcome.end.reason}", file=sys.stderr)
    if outcome.end.kind == "interrupted":
        return INTERRUPTED
    return DONE if outcome.winner is not None and outcome.end.kind == "finished" else FAILED


def _parser() -> argparse.ArgumentParser:
    presets = "\n".join(f"  {name:<12} {purpose}" for name, purpose in preset_names().items())
    parser = argparse.ArgumentParser(
        prog="python -m src.tune",
        description="Searches the hyperparameters of a model and exports the best one.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"""\
presets (--config):
{presets}

data.source:          {", ".join(SOURCES)}
hypermodel.name:      {", ".join(HYPERMODELS)}
tuner.name:           {", ".join(TUNERS)}
pruner.name:          {", ".join(PRUNERS)}
objective.name:       {", ".join(KNOWN_DIRECTIONS)}
objective.secondary:  {", ".join(COSTS)} or any of these metrics

overrides are dotted paths into the configuration with YAML values; the last one wins:
  tuner.name=hyperband          training.epochs=27
  space.learning_rate=1e-3      pins a hyperparameter
  space.activation=[relu,tanh]  gives its choices
  space.units.max=512           narrows or widens its range
  space.taper=open              searches its whole range again
  tuner.points_to_evaluate=FILE.yaml  runs the configurations in it first
every key, with its default and range: src/config/presets/default.yaml

exit status: 0 done; 1 no trial completed, too many failed in a row, the disk failed, or the best
model could not be exported; 2 a mistake in the configuration, the data or the command line; 130
stopped by Ctrl-C, SIGTERM or SIGHUP
""",
    )
    parser.add_argument(
        "--config",
        metavar="NAME or PATH",
        help="a preset or a YAML file; either builds on the preset 'default'",
    )
    parser.add_argument(
        "--resume",
        nargs="?",
        const=LATEST,
        metavar="RUN",
        help="go on with a run that was stopped or killed, or has a larger budget now: its folder, "
        "or its name; without one, the latest",
    )
    parser.add_argument(
        "--from",
        dest="warm_start",
        metavar="RUN",
        help="start with what an earlier run found: gp, tpe and bohb learn from its completed "
        "trials, and its best configuration runs first; for tuner.warm_start=RUN",
    )
    parser.add_argument(
        "--workers", metavar="N", help="trials at once, for run.workers=N; default: one a processor"
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="train nothing: show settings, search space and plan, and check them",
    )
    parser.add_argument("--quiet", action="store_true", help="print the run's folder and no more")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings to change")
    return parser


def _gather_temporary_files() -> None:
    """Puts temporary files, those of libraries too, into one folder.

    It is deleted when this process ends or, if that is killed, when the next search starts. Where
    the path of a socket in it would be longer than the system allows, they stay where they are.
    """
    if len(tempfile.gettempdir()) > LONGEST_TMPDIR:
        return
    folder = ScratchFolder()
    tempfile.tempdir = str(folder.path)
    atexit.register(folder.cleanup)


if __name__ == "__main__":
    with suppress(OSError):  # without a temporary folder, whoever needs one will tell
        _gather_temporary_files()
    sys.exit(main())
