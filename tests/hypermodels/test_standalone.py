"""The folder and `callbacks/` alone, copied into a project of one's own, with plain Keras Tuner."""

from pathlib import Path

from tests.standalone import run_alone

SCRIPT = """
    import keras_tuner as kt
    import numpy as np
    from callbacks import TrainingPlan
    from hypermodels.mlp import MLP
    from hypermodels.problem import Problem

    x = np.linspace(-1, 1, 64, dtype="float32").reshape(32, 2)
    y = (x[:, 0] > 0).astype("float32")
    problem = Problem(task="binary", features=2, classes=2, training_rows=32)
    plan = TrainingPlan(epochs=2, monitor="val_accuracy", direction="max")
    fixed = kt.HyperParameters()
    fixed.Fixed("batch_size", 16)
    tuner = kt.RandomSearch(
        MLP(problem, seed=1, plan=plan), kt.Objective("val_accuracy", "max"), max_trials=1,
        hyperparameters=fixed, directory="search", seed=1,
    )
    tuner.search(x, y, validation_data=(x, y), epochs=2, verbose=0)
    [trial] = tuner.oracle.get_best_trials(1)
    print(trial.status, 0.0 <= trial.score <= 1.0)
    print(sorted({name.partition(".")[0] for name in sys.modules} & Block.blocked))
"""


def test_a_copy_works_with_nothing_but_keras_tuner_and_tensorflow(tmp_path: Path) -> None:
    # Keras Tuner imports tensorboard in every search, though it does not say that it needs it.
    needed = ["keras-tuner", "keras", "tensorflow", "tensorboard"]
    result = run_alone(tmp_path, SCRIPT, ["callbacks", "hypermodels"], needed)
    assert result.returncode == 0, result.stderr
    status, foreign = result.stdout.splitlines()[-2:]
    assert status == "COMPLETED True"
    assert foreign == "[]"
