"""Searches hyperparameters: `python -m src.tune [--config NAME or PATH] [key=value …]`."""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hypermodels import HYPERMODELS
from src.commands import DONE, FAILED, INTERRUPTED, exit_status
from src.config.objectives import COSTS, KNOWN_DIRECTIONS
from src.config.presets import preset_names
from src.registry import PRUNERS, SOURCES, TUNERS
from src.signals import StopRequest
from src.text import python_command

if TYPE_CHECKING:
    from src.config import Config
    from src.search.resume import ResumedRun

LATEST = ""  # of --resume without a run


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one search from the command line; returns the exit status, which `--help` explains."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = _parser().parse_intermixed_args(words)
    stopped = "stopped before the first trial; nothing was searched"
    if options.resume is not None:
        again = f"{python_command()} -m src.tune {shlex.join(words)}"
        stopped = f"stopped; what was finished before is kept. Go on with: {again}"
    return exit_status(lambda: _tune(options), stopped)


def _tune(options: argparse.Namespace) -> int:
    # Imported step by step, so that mistakes that need no TensorFlow are told at once.
    from src.config import load_config

    overrides = list(options.overrides)
    if options.resume and "=" in options.resume:  # an override that follows a bare --resume
        overrides.insert(0, options.resume)
        options.resume = LATEST
    if options.workers is not None:
        overrides.append(f"run.workers={options.workers}")
    if options.warm_start is not None:
        overrides.append(f"tuner.warm_start={json.dumps(options.warm_start)}")
    if options.resume is None:
        return _search(options, load_config(options.config, overrides), None)
    from src.search.resume import open_run

    with StopRequest() as stop:  # a signal leaves no lock half taken
        resumed = open_run(options.resume or None, options.config, tuple(overrides))
    try:
        if stop.requested:
            raise KeyboardInterrupt
        return _search(options, resumed.config, resumed)
    finally:
        resumed.lock.release()


def _search(options: argparse.Namespace, config: "Config", resumed: "ResumedRun | None") -> int:
    from src.startup import start_fork_server, start_tensorflow

    if not (config.in_process or options.dry_run):
        start_fork_server()  # before all else, so that workers come up meanwhile
    start_tensorflow(threads=config.run.threads)

    from src.search.listener import announce, load_listeners
    from src.search.preparation import prepare
    from src.search.workflow import search

    prepared = prepare(config, None if resumed is None else resumed.saved)
    listeners = load_listeners()
    if options.dry_run:
        announce(listeners, prepared, resumed)
        return DONE
    outcome = search(prepared, listeners, resumed)
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
every key, with its default and range: src/config/presets/default.yaml

exit status: 0 done; 1 no trial completed, too many failed in a row, the disk failed, or the best
model could not be exported; 2 a mistake in the configuration, the data or the command line; 130
stopped by Ctrl-C, SIGTERM or SIGHUP
""",
    )
    add = parser.add_argument
    add("--config", metavar="NAME or PATH", help="a preset or a YAML file over 'default'")
    add(
        "--resume",
        nargs="?",
        const=LATEST,
        metavar="RUN",
        help="go on with a run, by default the latest: its folder, or its name",
    )
    add(
        "--from",
        dest="warm_start",
        metavar="RUN",
        help="start with what an earlier run found; for tuner.warm_start=RUN",
    )
    add("--workers", metavar="N", help="trials at once, for run.workers=N")
    add("--dry-run", action="store_true", help="show and check settings, space and plan, no more")
    add("overrides", nargs="*", metavar="key=value", help="settings to change")
    return parser


if __name__ == "__main__":
    sys.exit(main())
