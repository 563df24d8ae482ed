"""The folder alone, copied into a project of one's own."""

from pathlib import Path

import callbacks
from tests.standalone import blocked_modules, run_alone

SCRIPT = """
    import sys
    import keras
    import numpy as np
    import callbacks

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    x, y = np.ones((8, 2)), np.ones((8, 1))
    history = model.fit(x, y, validation_data=(x, y), epochs=3, verbose=0, callbacks=[
        callbacks.LearningRateScheduler(callbacks.get_schedule("linear", {"final": 0.0}), 3),
        callbacks.ReduceLROnPlateau("val_loss", "max", factor=0.5, patience=1),
        callbacks.EarlyStopping("val_loss", "max", patience=9),
        callbacks.RecordLearningRate(),
        callbacks.StopOnDivergence(),
        callbacks.TimeBudget(600.0),
    ])
    print([round(rate, 6) for rate in history.history["learning_rate"]])
    class Trace(keras.callbacks.Callback):
        rates = []
        def on_train_batch_end(self, batch, logs=None):
            self.rates.append(round(float(self.model.optimizer.learning_rate), 6))
    linear = callbacks.get_schedule("linear", {"final": 0.0})
    model.fit(x, y, batch_size=3, epochs=2, verbose=0, callbacks=[
        callbacks.LearningRateScheduler(linear, 2, unit="step"), Trace(),
    ])
    print(Trace.rates)
    for callback in (callbacks.RandomBatchSize(2, 4), callbacks.RegularizationOnGap(2.0)):
        try:
            model.fit(x, y, verbose=0, callbacks=[callback])
        except ValueError as error:
            print(error)
    from callbacks import plot_schedules
    print(plot_schedules.picture(plot_schedules.curves()) == plot_schedules.FILE.read_text())
    warm_up = callbacks.WarmUp("linear", 2, "step", 0.5)
    scheduler = callbacks.LearningRateScheduler(lambda _: 1.0, 2, "step", warm_up)
    Trace.rates.clear()
    model.fit(x, y, batch_size=4, epochs=2, verbose=0, callbacks=[
        scheduler, callbacks.RecordControls(), Trace(),
    ])
    print(Trace.rates)
    try:
        model.fit(x, y, verbose=0, callbacks=[callbacks.TensorBoard("events")])
    except ImportError as error:
        print(error)
    try:
        import src
    except ImportError as error:
        print(error)
    print(sorted({name.partition(".")[0] for name in sys.modules} & Block.blocked))
    print(callbacks.__file__)
"""


def test_a_copy_works_with_nothing_but_keras_and_tensorflow(tmp_path: Path) -> None:
    result = run_alone(tmp_path, SCRIPT, ["callbacks"], ["keras", "tensorflow"])
    assert result.returncode == 0, result.stderr
    rates, step_rates, *errors, drawn, warm, board, src, foreign, path = result.stdout.splitlines()[
        -10:
    ]
    # base × (1, 2/3, 1/3) × (1, 1, 0.5): the loss falls, which counts as a plateau of its maximum
    assert rates == "[0.001, 0.000667, 0.000167]"
    assert step_rates == "[0.001, 0.000833, 0.000667, 0.0005, 0.000333, 0.000167]"
    assert "`batch_size` of the model, and Sequential has none" in errors[0]
    assert "`tunables`, and Sequential has none" in errors[1]
    assert drawn == "True"
    assert warm == "[0.0005, 0.00075, 0.001, 0.001]"
    assert board == "callbacks.TensorBoard needs the package tensorboard: pip install tensorboard"
    assert src == "No module named 'src'"
    assert foreign == "[]"
    assert Path(path).parent == tmp_path / "project" / "callbacks"


def test_what_the_project_needs_beyond_that_is_out_of_reach() -> None:
    blocked = blocked_modules(["keras", "tensorflow"])
    beyond = {"keras_tuner", "pandas", "pydantic", "scipy", "sklearn", "tensorboard", "yaml"}
    assert beyond <= set(blocked)
    assert not {"keras", "tensorflow", "numpy", "h5py"} & set(blocked)
    assert "keras_tuner" not in blocked_modules(["keras-tuner"])


def test_all_is_sorted_and_complete() -> None:
    constants = sorted(name for name in callbacks.__all__ if name.isupper())
    classes = sorted(
        name for name in callbacks.__all__ if name[0].isupper() and name not in constants
    )
    functions = sorted(name for name in callbacks.__all__ if name[0].islower())
    assert callbacks.__all__ == constants + classes + functions
    assert all(hasattr(callbacks, name) for name in callbacks.__all__)
