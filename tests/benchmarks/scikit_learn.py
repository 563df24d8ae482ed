"""Contender `scikit-learn`: `RandomizedSearchCV` over `MLPClassifier`, one job a processor.

    python -m tests.benchmarks.scikit_learn JOB

The last line of its output is the outcome. It does less than the others: no dropout, no schedule,
validation only after the last epoch, no files and no TensorBoard.
"""

import os
import sys
import time
import warnings
from itertools import product

import numpy as np
from scipy.stats import loguniform
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import PredefinedSplit, RandomizedSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.utils.parallel import Parallel, delayed

from tests.benchmarks.job import BATCH_SIZE, LAYERS, LEARNING_RATE, UNITS, Job, Outcome


def search(job: Job) -> Outcome:
    """Runs the search."""
    warnings.filterwarnings("ignore", category=ConvergenceWarning)  # max_iter ends every training
    arrays = job.read_arrays()
    rows = len(arrays["x"]), len(arrays["x_validation"])
    processors = os.cpu_count() or 1
    estimator = MLPClassifier(
        batch_size=BATCH_SIZE,
        max_iter=job.epochs,
        n_iter_no_change=job.epochs + 1,  # never stops early
        random_state=job.seed,
    )
    randomized = RandomizedSearchCV(
        estimator,
        {
            "hidden_layer_sizes": [(units,) * layers for layers, units in product(LAYERS, UNITS)],
            "learning_rate_init": loguniform(*LEARNING_RATE),
        },
        n_iter=job.trials,
        n_jobs=processors,
        cv=PredefinedSplit(np.repeat([-1, 0], rows)),  # the second part is validated on
        refit=False,
        random_state=job.seed,
        error_score="raise",
    )
    # The pool stays for the search: its start counts as start-up, as with the other contenders.
    first = arrays["x"][:BATCH_SIZE], arrays["y"][:BATCH_SIZE]
    Parallel(n_jobs=processors)(delayed(estimator.fit)(*first) for _ in range(processors))
    started = time.time()
    randomized.fit(
        np.concatenate([arrays["x"], arrays["x_validation"]]),
        np.concatenate([arrays["y"], arrays["y_validation"]]),
    )
    ended = time.time()
    score = float(randomized.cv_results_["mean_test_score"].max())
    return Outcome(started, ended, job.trials * job.epochs, score)


if __name__ == "__main__":
    print(search(Job.load(sys.argv[1])).to_json())
