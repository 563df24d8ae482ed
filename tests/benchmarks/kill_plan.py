"""What is searched while it is killed, and when: the searches, and the plan of their kills."""

import random
from dataclasses import dataclass

PHASES = ("start-up", "between trials", "in a trial", "export")
LONGEST_DELAY = {"start-up": 7.0, "between trials": 0.03, "in a trial": 0.5, "export": 0.8}  # s
SETTINGS = (
    *("data.source=iris", "training.epochs=30", "space.dropout=0.3", "tuner.max_trials=10"),
    *("space.layers=1", "space.units={min: 4, max: 16}", "space.activation=relu"),
)
GRID = (
    *("tuner.grid_points=3", "space.normalization=none", "space.optimizer=adam"),
    *("space.batch_size=[32, 64]", "space.schedule=[constant, cosine]"),
)
FEW = (  # hyperparameters, as the Gaussian process takes minutes of a processor for many
    *("space.normalization=none", "space.optimizer=adam", "space.batch_size=32"),
    "space.schedule=constant",
)
ONE_PROCESS = ("run.engine=process", "run.workers=1")
PRUNED = ("pruner.name=median", "pruner.startup_trials=2", "limits.epochs=200")
CONFIRMED = ("tuner.reevaluate.trials=2", "tuner.reevaluate.executions=2")
SEARCHES = {
    "random": ("tuner.name=random", *ONE_PROCESS),
    "gp": ("tuner.name=gp", *ONE_PROCESS),
    "bohb": ("tuner.name=bohb", *ONE_PROCESS),
    "gp, pruned": ("tuner.name=gp", *PRUNED, *ONE_PROCESS),
    "tpe, confirmed": ("tuner.name=tpe", *CONFIRMED, *ONE_PROCESS),
    "bayesian": ("tuner.name=bayesian", *FEW, *ONE_PROCESS),
    "hyperband": ("tuner.name=hyperband", *ONE_PROCESS),
    "grid": ("tuner.name=grid", *GRID, *ONE_PROCESS),
    "random, 2 workers": ("tuner.name=random", "run.workers=2"),
    "grid, 2 workers": ("tuner.name=grid", *GRID, "run.workers=2"),
    "random, serial": ("tuner.name=random", "run.engine=serial"),
    "bayesian, serial": ("tuner.name=bayesian", *FEW, "run.engine=serial"),
    "hyperband, serial": ("tuner.name=hyperband", "run.engine=serial"),
    "grid, serial": ("tuner.name=grid", *GRID, "run.engine=serial"),
}
"""What a campaign searches, by name."""

WORKERS = ("worker", "fork server")  # a search survives their death
SIGKILLS = ("parent", "group", *WORKERS)
SIGNALS = {"SIGINT": "group", "SIGTERM": "parent", "SIGHUP": "group"}  # as they come in life


@dataclass(frozen=True)
class Kill:
    """A kill that is planned.

    Attributes:
        target: who is killed: one of `SIGKILLS` by that signal, or one of `SIGNALS`.
        phase: what the search is to be doing; one of `PHASES`.
        events: how many events of that phase to wait for: trials begun, or ended.
        delay: seconds after that.
        rival: whether a second command tries to search in the run meanwhile.
    """

    target: str
    phase: str
    events: int
    delay: float
    rival: bool = False


def plan(
    rng: random.Random, kills: int, engine: str, *, export: bool = True, rival: bool = True
) -> list[Kill]:
    """Plans the kills of a campaign; those in the export come last.

    Args:
        rng: chooses.
        kills: how many.
        engine: `serial`, which has neither workers nor a fork server, or `process`.
        export: whether to kill in the export as well.
        rival: whether one of them is accompanied by a second command.
    """
    targets = ["parent", "group", *SIGNALS]
    if engine == "process":
        targets += ["worker", "worker", "fork server"]
    rng.shuffle(targets)
    phases = ["in a trial", "between trials", "start-up", "in a trial"]
    if export:
        phases.append("export")
    planned = []
    for number in range(kills):
        phase = phases[number % len(phases)]
        target = targets[number % len(targets)]
        if target in WORKERS and phase in ("start-up", "export"):
            target = rng.choice(("parent", "group"))  # no trial runs there
        events = 1 if phase in ("start-up", "export") else rng.choice((1, 1, 2))
        delay = rng.uniform(0.0, LONGEST_DELAY[phase])
        planned.append(Kill(target, phase, events, delay, rival and number == 0))
    return sorted(planned, key=lambda kill: kill.phase == "export")
