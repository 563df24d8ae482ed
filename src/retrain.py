"""Trains a trial anew, on all but test rows: `python -m src.retrain [RUN] [--trial ID] …`."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from src.commands import DONE, FAILED, exit_status
from src.errors import UserError
from src.text import command, short_number

if TYPE_CHECKING:
    from src.evaluation.retraining import CompletedTrial, Refit
    from src.evaluation.threshold import Threshold

SHOWN = ("accuracy", "f1", "log_loss", "rmse", "mae", "r2")  # of each seed; of all, every metric


def main(arguments: Sequence[str] | None = None) -> int:
    """Retrains one trial; returns the exit status, which `--help` explains."""
    options = _parser().parse_args(arguments)
    return exit_status(lambda: _retrain(options), "stopped; nothing was kept")


def _retrain(options: argparse.Namespace) -> int:
    # What needs no TensorFlow comes first, so that mistakes do not wait for it.
    from src.config import load_config
    from src.evaluation.selection import choose_trial, read_completed_trials
    from src.signals import Interruption, StopRequest, TrialInterruptedError
    from src.store.run_directory import RunDirectory

    if options.seeds < 1 + options.ensemble:
        least = "2 with --ensemble, which averages several models" if options.ensemble else "1"
        raise UserError(f"--seeds: {options.seeds} is too few; valid: at least {least}")
    name, overrides = options.run, list(options.overrides)
    if name and "=" in name:  # an override without a RUN before it
        name, overrides = None, [name, *overrides]
    run = RunDirectory.find(load_config().run.directory, name)
    trial_id = choose_trial(run, read_completed_trials(run), options.trial)
    with Interruption():  # before the training, which has a request to stop of its own
        from src.startup import start_tensorflow

        start_tensorflow(threads=load_config(run.config, overrides).run.threads)
        from src.evaluation.retraining import retrain, threshold_of
        from src.execution.failures import TrialFailedError
        from src.search.completed_trial import open_trial

        trial = open_trial(run, trial_id, overrides)
        threshold = threshold_of(trial)
        _show_plan(trial, options.seeds, threshold)
    with StopRequest() as stop:
        try:
            folder, summary = retrain(
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
    _show_summary(summary)
    trained = next(one["number"] for one in summary["seeds"] if not one["reason"])
    model = folder.ensemble if options.ensemble else folder.seed(trained)
    print(f"\nmodels  {folder.path}\n  {command('predict', model.path)} FILE")
    return DONE


def _show_plan(trial: "CompletedTrial", seeds: int, threshold: "Threshold | None") -> None:
    """Prints what will be trained, and what a refit cannot repeat."""
    from src.evaluation.retraining import left_out

    data, record, plan = trial.context.data, trial.record, trial.context.plan
    print(f"trial {record.spec.trial_id} of {trial.context.run.path}")
    times = "once" if seeds == 1 else f"{seeds} times"
    epochs = f"for {record.result.best_epoch} of {plan.epochs} epochs"
    print(f"  {times}, {epochs}, on {len(data.development):,} training and validation rows")
    if record.result.stopped_by is not None:
        print(f"  it was {record.result.reason}; more epochs might have been better")
    if names := left_out(trial):
        print(f"  without {', '.join(names)}: there are no validation rows to react to")
    if threshold is not None:
        value = short_number(threshold.value)
        print(f"  with the decision threshold {value}, tuned on rows that its fits had not seen")
    used = "which the search has used before: the more models they judge, the less they tell"
    print(f"  judged on the {len(data.test):,} test rows" + (f", {used}" if len(data.test) else ""))


def _show_refit(refit: "Refit") -> None:
    shown = [f"{name} {short_number(refit.test[name])}" for name in SHOWN if name in refit.test]
    text = f"failed: {refit.reason}" if refit.reason else "  ".join(shown) or "trained"
    print(f"  seed {refit.number}  {text}", flush=True)


def _show_summary(summary: dict[str, Any]) -> None:
    """Prints means and standard deviations, beside the ensemble and the search's export."""
    import pandas as pd

    columns = {"mean": summary["mean"], "±": summary["standard_deviation"]}
    if "ensemble" in summary:
        columns["ensemble"] = summary["ensemble"]
    if "search" in summary:
        columns[f"search ({summary['search']['trial_id']})"] = summary["search"]["test"]
    if summary["mean"]:
        table = pd.DataFrame(columns, dtype=float).rename_axis(columns="test")
        print("\n" + table.to_string(float_format=short_number, na_rep="–"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m src.retrain",
        description="Trains a trial's hyperparameters anew, on training and validation rows.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""\
The models train for as many epochs as the trial needed to its best one, the learning rate following
the same schedule, and are exported into a new folder below RUN/retrained; nothing is overwritten.
The test metrics of all seeds are shown as mean and standard deviation, beside those of the model
that the search has exported. While a search runs, name a trial with --trial.

exit status: 0 done; 1 no training succeeded, or the disk is full or unwritable; 2 a mistake in the
command line, or a run without a trial to train; 130 stopped by Ctrl-C, SIGTERM or SIGHUP
""",
    )
    run = "a run's folder or name; by default the latest"
    parser.add_argument("run", metavar="RUN", nargs="?", help=run)
    settings = "where the rows are now: data.path, data.test_path or data.database"
    parser.add_argument("overrides", metavar="key=value", nargs="*", help=settings)
    trial = "a trial that has completed; by default the best one"
    parser.add_argument("--trial", metavar="ID", help=trial)
    seeds = "how many trainings; default: 1"
    parser.add_argument("--seeds", metavar="N", type=int, default=1, help=seeds)
    ensemble = "also export one model that averages all of them"
    parser.add_argument("--ensemble", action="store_true", help=ensemble)
    return parser


if __name__ == "__main__":
    sys.exit(main())
