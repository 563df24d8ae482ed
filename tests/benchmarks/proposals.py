"""Freezes what each tuner proposes, and compares it with what was frozen.

    python -m tests.benchmarks.proposals --write before.json       some minutes of one processor
    python -m tests.benchmarks.proposals --compare before.json     exit status 1 if anything differs
    python -m tests.benchmarks.proposals --compare before.json --only gp bohb

Each tuner searches a mixed space with conditions and logarithms with three seeds, 60 trials each;
`bayesian`, whose proposals take seconds, has 24 trials and six of the hyperparameters. No model is
trained: the scores are a function of the hyperparameters and of the epochs trained, and each
eleventh trial fails. The seeds differ in the direction of the objective and in how many trials are
pending while another one is proposed. The file holds the values of every proposal, in order; equal
files mean equal bits.
"""

import argparse
import json
import math
import sys
import time
import warnings
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from src.startup import start_tensorflow

start_tensorflow()

import keras_tuner as kt  # noqa: E402
import numpy as np  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

from tests.benchmarks.searching.oracles import OBJECTIVE, make_oracle  # noqa: E402
from tests.benchmarks.searching.problems import Values, mixed  # noqa: E402

TUNERS = ("random", "grid", "tpe", "gp", "hyperband", "bohb", "bayesian")
TRIALS = {"bayesian": 24}  # the first half are random; 60 by default
FEW = {"bayesian": ("learning_rate", "units", "dropout", "normalization", "optimizer", "momentum")}
PENDING = {1: 0, 2: 1, 3: 3}  # other trials that run while one is proposed, by seed
EPOCHS = 27  # of a full training: four Hyperband brackets, the first with 27 trials
FAILS_EVERY = 11
PARENT = "tuner/trial_id"  # the trial that a promotion continues

Proposals = dict[str, dict[str, list[dict[str, Any]]]]
"""By tuner and seed: the values of all trials, in the order of their proposals."""


def main() -> int:
    """Writes or compares proposals and returns the exit status."""
    options = _options()
    proposals: Proposals = {}
    for tuner in options.only:
        started = time.process_time()
        proposals[tuner] = {
            str(seed): propose(tuner, seed, TRIALS.get(tuner, 60), pending)
            for seed, pending in PENDING.items()
        }
        counts = ", ".join(str(len(values)) for values in proposals[tuner].values())
        seconds = time.process_time() - started
        print(f"{tuner}: {counts} proposals in {seconds:.1f} s of processor time", flush=True)
    if options.write is not None:
        options.write.write_text(json.dumps(proposals, indent=1) + "\n")
        return 0
    found = differences(json.loads(options.compare.read_text()), proposals)
    print("\n".join(found or ["no differences"]))
    return 1 if found else 0


def propose(tuner: str, seed: int, trials: int, pending: int) -> list[dict[str, Any]]:
    """Returns the values that a tuner proposes, one mapping a trial.

    Args:
        tuner: its name.
        seed: a user's seed; with odd ones a higher score is better, with even ones a lower one.
        trials: the most trials.
        pending: how many other trials run while one is proposed; the oldest ends first.
    """
    direction = "max" if seed % 2 else "min"
    settings = {"name": tuner, "max_trials": trials}
    oracle = make_oracle(
        settings, space=_space(tuner), direction=direction, seed=seed, epochs=EPOCHS
    )
    proposed: list[dict[str, Any]] = []
    running: deque[Any] = deque()
    # With several threads, sums of floats are rounded in another order.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        while len(proposed) < trials:
            if len(running) > pending:
                _end(oracle, running.popleft(), direction)
            trial = oracle.create_trial(_free_slot(oracle))
            if trial.status == "RUNNING":
                proposed.append(_plain(trial.hyperparameters.values))
                running.append(trial)
            elif running:  # the oracle may wait for a result
                _end(oracle, running.popleft(), direction)
            else:
                break
    return proposed


def differences(before: Proposals, now: Proposals) -> list[str]:
    """What differs of the tuners in `now`, at most a line for each tuner and seed."""
    found = []
    for tuner, seeds in now.items():
        for seed, proposals in seeds.items():
            earlier = before.get(tuner, {}).get(seed, [])
            where = f"{tuner}, seed {seed}"
            for number, (old, new) in enumerate(zip(earlier, proposals, strict=False)):
                # As text: 64 is not 64.0, and what is equal as text is equal bit for bit.
                changed = [
                    f"{name} {json.dumps(old.get(name))} → {json.dumps(new.get(name))}"
                    for name in sorted(old.keys() | new.keys())
                    if json.dumps(old.get(name)) != json.dumps(new.get(name))
                ]
                if changed:
                    found.append(f"{where}, from trial {number} on: {', '.join(changed)}")
                    break
            else:
                if len(earlier) != len(proposals):
                    found.append(f"{where}: {len(earlier)} proposals before, {len(proposals)} now")
    return found


def _space(tuner: str) -> kt.HyperParameters:
    """What a tuner searches: every kind of hyperparameter, and conditions below conditions."""
    space: kt.HyperParameters = mixed().space
    space.Boolean("bias", default=True)
    space.Choice("batch_size", [16, 32, 64, 128], default=32)
    space.Int("patience", 2, 20, step=3, default=5)
    space.Float("smoothing", 0.0, 0.3, step=0.05)
    with space.conditional_scope("bias", [True]):
        space.Float("bias_scale", 0.01, 10.0, sampling="log", default=1.0)
        space.Choice("bias_kind", ["zeros", "normal"])
        with space.conditional_scope("bias_kind", ["normal"]):
            space.Float("bias_spread", 0.5, 0.999, sampling="reverse_log", default=0.9)
    if tuner in FEW:
        declared = space.get_config()["space"]
        few = [hp for hp in declared if hp["config"]["name"] in FEW[tuner]]
        space = kt.HyperParameters.from_config({"space": few, "values": {}})
    return space


def _loss(values: Values, epochs: int) -> float:
    """A learning curve: small learning rates begin worse, and some curves cross later."""
    known = mixed().space.values | values
    loss: float = mixed().score(known)
    loss += 2.0 * math.exp(-epochs / (3 - math.log10(known["learning_rate"])))
    loss += 0.1 * known["dropout"] / epochs + 0.01 * math.log2(values.get("batch_size", 32))
    loss += 0.02 * values.get("patience", 5) * values.get("smoothing", 0.1)
    loss += 0.05 * values.get("bias_scale", 2.0) ** 0.5 + 0.1 * values.get("bias_spread", 0.7)
    return loss


def _end(oracle: Any, trial: Any, direction: str) -> None:
    if int(trial.trial_id) % FAILS_EVERY == FAILS_EVERY - 1:
        trial.status, trial.message = "FAILED", "this one never works"
    else:
        values = trial.hyperparameters.values
        loss = _loss(values, values.get("tuner/epochs", EPOCHS))
        score = loss if direction == "min" else -loss
        oracle.update_trial(trial.trial_id, {OBJECTIVE: score}, step=1)
        trial.status = "COMPLETED"
    oracle.end_trial(trial)


def _free_slot(oracle: Any) -> str:
    """An id that no running trial has: Keras Tuner keeps one trial for each."""
    return next(s for s in map(str, range(1000)) if s not in oracle.ongoing_trials)


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values that JSON can hold, by name; ids of trials as numbers, whatever their width."""
    plain = {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in sorted(values.items())
    }
    if PARENT in plain:
        plain[PARENT] = int(plain[PARENT])
    return plain


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.proposals",
        description=(__doc__ or "").partition("\n")[0],
    )
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", type=Path, metavar="FILE", help="freeze the proposals there")
    action.add_argument("--compare", type=Path, metavar="FILE", help="with those frozen there")
    parser.add_argument("--only", nargs="+", choices=TUNERS, default=TUNERS, metavar="TUNER")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
