"""Drives an oracle through a problem: proposals, scores, times; no models, no files."""

import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.searching.oracles import OBJECTIVE
from tests.benchmarks.searching.problems import Problem


@dataclass(frozen=True)
class Driven:
    """What a search found.

    Attributes:
        regrets: of the best score so far, after each trial.
        seconds: of processor time for each proposal.
        repeats: trials at a point that had been tried.
    """

    regrets: list[float]
    seconds: list[float]
    repeats: int


def drive(oracle: Any, problem: Problem, trials: int, pending: int = 0) -> Driven:
    """Runs a search.

    Args:
        oracle: a Keras Tuner oracle for `problem.space`, whose objective is `OBJECTIVE`.
        problem: says the scores.
        trials: how many.
        pending: how many other trials always run while one is proposed; the oldest ends first.
    """
    regrets: list[float] = []
    seconds: list[float] = []
    points: set[str] = set()
    running: deque[Any] = deque()
    best = float("inf")

    def end_oldest() -> None:
        nonlocal best
        trial = running.popleft()
        score = problem.score(trial.hyperparameters.values)
        oracle.update_trial(trial.trial_id, {OBJECTIVE: score})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
        best = min(best, problem.regret(score))
        regrets.append(best)

    for number in range(trials):
        if len(running) > pending:
            end_oldest()
        started = time.process_time()
        trial = oracle.create_trial(f"slot{number}")
        seconds.append(time.process_time() - started)
        if trial.status != "RUNNING":
            break
        points.add(repr(sorted(trial.hyperparameters.values.items())))
        running.append(trial)
    proposed = len(regrets) + len(running)
    while running:
        end_oldest()
    return Driven(regrets, seconds, proposed - len(points))
