"""Trains a trial anew, on all but test rows: `python -m src.retrain [RUN] [--trial ID] …`."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from src.commands import DONE, FAILED, exit_status
from src.errors import UserError
from src.text import predict_command, short_number

if TYPE_CHECKING:
    from src.evaluation.retraining import Refit, Retraining
    from src.evaluation.threshold import Threshold
    from src.search.finished import FinishedTrial

SHOWN = ("accuracy", "f1", "log_loss", "rmse", "mae", "r2")  # of each seed; of all, every metric
INSTEAD = {
    "early_stopping": "the epochs are fixed instead",
    "reduce_lr_on_plateau": "the rate is base × schedule, without the cuts that it may have made",
}
ELSE_INSTEAD = "what it did in the trial is not repeated"


def main(arguments: Sequence[str] | None = None) -> int:
    """Retrains one trial from the command line and returns the exit status.

    0: done. 1: no training succeeded, or a full disk. 2: a mistake in the command line, or a run
    without a trial to train. 130: stopped by Ctrl-C, SIGTERM or SIGHUP, and nothing is kept.
    """
    options = _parser().parse_args(arguments)
    return exit_status(lambda: _retrain(options), "stopped; nothing was kept")


def _retrain(options: argparse.Namespace) -> int:
    # Imported step by step, so that mistakes that need no TensorFlow are told at once.
    from src.config import load_config
    from src.evaluation.choosing import choose_trial
    from src.signals import Interruption, StopRequest, TrialInterruptedError
    from src.store.run_directory import RunDirectory
    from src.store.saved_search import read_search

    if options.ensemble and options.seeds < 2:
        raise UserError(
            f"--ensemble: averages the models of several seeds; --seeds {options.seeds}"
            " makes one. Valid: --seeds 2 or more with it"
        )
    run = RunDirectory.find(load_config().run.directory, options.run)
    saved = read_search(run, history=False)
    trial_id = choose_trial(run, saved, options.trial)
    with Interruption():
        from src.startup import start_tensorflow

        start_tensorflow(threads=load_config(run.config).run.threads)
        from src.evaluation.retraining import retrain, threshold_of
        from src.execution.failures import TrialFailedError
        from src.search.finished import open_trial

        trial = open_trial(run, saved, trial_id)
        threshold = threshold_of(trial)
        _show_plan(trial, options.seeds, threshold)
    with StopRequest() as stop:
        try:
            retraining = retrain(
                trial,
                options.seeds,
                threshold,
                ensemble=options.ensemble,
                on_refit=_show_refit,
                stopping=lambda: stop.requested,
            )
        except TrialInterruptedError as error:
            raise KeyboardInterrupt from error
        except TrialFailedError as error:
            print(f"error: {error}", file=sys.stderr)
            return FAILED
    _show_result(trial, retraining)
    return DONE


def _show_plan(trial: "FinishedTrial", seeds: int, threshold: "Threshold | None") -> None:
    """Prints what will be trained, and what a refit cannot repeat."""
    from src.evaluation.retraining import left_out

    context, record = trial.context, trial.record
    data, epochs = context.data, record.result.best_epoch
    times = "once" if seeds == 1 else f"{seeds} times"
    print(f"trial {record.spec.trial_id} of {context.run.path}")
    print(
        f"  {times}, for {epochs} of {context.plan.epochs} epochs, on {len(data.development):,} "
        "training and validation rows"
    )
    if record.result.stopped_by is not None:
        print(f"  it was {record.result.reason}; more epochs might have been better")
    for name in left_out(trial):
        print(f"  without {name}, which needs validation rows: {INSTEAD.get(name, ELSE_INSTEAD)}")
    if threshold is not None:
        print(
            f"  with the decision threshold {short_number(threshold.value)}, tuned on rows that "
            "the trial's own fits had not seen"
        )
    if len(data.test):
        print(
            f"  judged on the {len(data.test):,} test rows, which the search has used before: the "
            "more models are compared on them, the less they tell of the best one"
        )
    else:
        print("  there are no test rows to judge it on")


def _show_refit(refit: "Refit") -> None:
    """Prints the line of one seed."""
    if refit.reason:
        print(f"  seed {refit.number}  failed: {refit.reason}", flush=True)
        return
    shown = (f"{name} {short_number(refit.test[name])}" for name in SHOWN if name in refit.test)
    print(f"  seed {refit.number}  {'  '.join(shown) or 'trained'}", flush=True)


def _show_result(trial: "FinishedTrial", retraining: "Retraining") -> None:
    """Prints mean and standard deviation beside what the search has exported, and the files."""
    trained = [refit for refit in retraining.refits if not refit.reason]
    winner = trial.winner
    if trained[0].test:
        columns = [f"{len(trained)} seeds" if len(trained) > 1 else "1 seed"]
        columns += ["ensemble"] if retraining.ensemble is not None else []
        columns += [] if winner is None else [f"search ({winner.record.spec.trial_id})"]
        print("\ntest" + " " * 16 + "".join(f"{name:>22}" for name in columns))
        for name in trained[0].test:
            mean, deviation = retraining.spread(name)
            spread = "" if deviation is None else f" ± {short_number(float(f'{deviation:.2g}'))}"
            cells = [short_number(mean) + spread]
            if retraining.ensemble is not None:
                cells.append(short_number(retraining.ensemble[name]))
            if winner is not None:
                cells.append(short_number(winner.test.get(name)))
            print(f"  {name:<18}" + "".join(f"{cell:>22}" for cell in cells))
    folder = retraining.folder
    model = folder.seed(trained[0].number) if retraining.ensemble is None else folder.ensemble
    print(f"\nmodels  {folder.path}")
    print(f"  {predict_command(model.path)}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m src.retrain",
        description="Trains a trial's hyperparameters anew, on training and validation rows.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""\
The models train for as many epochs as the trial needed to its best one, the learning rate following
the same schedule, and are exported into a new folder below RUN/retrained; nothing is overwritten.
Metrics are those on the test rows: their mean and standard deviation over the seeds, beside those
of the model that the search has exported. A run whose search goes on can be given, with --trial.

exit status: 0 done; 1 no training succeeded, or the disk is full or unwritable; 2 a mistake in the
command line, or a run without a trial to train; 130 stopped by Ctrl-C, SIGTERM or SIGHUP
""",
    )
    parser.add_argument(
        "run", metavar="RUN", nargs="?", help="a run's folder, or its name; by default the latest"
    )
    parser.add_argument(
        "--trial", metavar="ID", help="a trial that has completed; by default the best one"
    )
    parser.add_argument(
        "--seeds", metavar="N", type=_positive, default=1, help="how many trainings; default: 1"
    )
    parser.add_argument(
        "--ensemble", action="store_true", help="also export one model that averages all of them"
    )
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of at least 1")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
