"""`hypermodels/` and `callbacks/` alone in a project of one's own, and without `training/`."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from callbacks import TrainingPlan
from hypermodels.mlp import MLP
from hypermodels.problem import Problem
from hypermodels.training import TracedModels
from tests import standalone
from tests.hypermodels.helpers import declared

SCRIPT = """
    import json
    import keras
    import keras_tuner as kt
    import numpy as np
    from callbacks import TrainingPlan
    from hypermodels.base import build_controls
    from hypermodels.mlp import MLP
    from hypermodels.parts import training
    from hypermodels.problem import Problem

    x = np.linspace(-1, 1, 64, dtype="float32").reshape(32, 2)
    y = (x[:, 0] > 0).astype("float32")
    problem = Problem(task="binary", features=2, classes=2)
    plan = TrainingPlan(epochs=3, monitor="val_accuracy", direction="max")
    hypermodel = MLP(problem, seed=1, plan=plan)
    hp = kt.HyperParameters()
    hp.values |= VALUES
    hypermodel.declare_hyperparameters(hp)
    model = training.TracedModels().model(hypermodel, hp, 7)
    controls = build_controls(hp, plan).values()
    options = {"validation_data": (x, y), "class_weight": "balanced", "epochs": 3}
    history = hypermodel.fit(hp, model, x, y, controls=controls, **options)
    names = [hyperparameter.name for hyperparameter in hp.space]
    print(json.dumps({
        "model": type(model).__module__.partition(".")[0],
        "foreign": sorted({name.partition(".")[0] for name in sys.modules} & Block.blocked),
        "offered": hypermodel.offered_metrics,
        "batch_schedule": "batch_schedule" in names,
        "history": history.history,
    }))
"""
# With all rows in a batch, their order makes no difference.
VALUES: dict[str, Any] = {
    "layers": 1,
    "units": 4,
    "batch_size": 0,
    "learning_rate": 0.05,
    "schedule": "linear",
}
VALUES |= {"optimizer": "adamw", "regularizer": "l2", "l2": 0.01, "label_smoothing": 0.1}
VALUES |= {"ema": True, "ema_momentum": 0.8, "normalization": "layer"}


def test_without_the_folder_models_train_the_same_with_keras_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "root"
    for folder in ("callbacks", "hypermodels"):
        shutil.copytree(standalone.ROOT / folder, root / folder)
    shutil.rmtree(root / "hypermodels" / "training")
    entry = root / "hypermodels" / "__init__.py"
    lines = entry.read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith("TRAINING = ")]
    assert len(kept) == len(lines) - 1
    entry.write_text("".join(kept))
    monkeypatch.setattr(standalone, "ROOT", root)
    (tmp_path / "alone").mkdir()
    script = SCRIPT.replace("VALUES", repr(VALUES))
    result = standalone.run_alone(tmp_path / "alone", script, ["callbacks", "hypermodels"])
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout.splitlines()[-1])
    plain = found.pop("history")
    assert found == {
        "model": "keras",
        "foreign": [],
        "offered": ["accuracy", "log_loss"],
        "batch_schedule": False,
    }
    x = np.linspace(-1, 1, 64, dtype="float32").reshape(32, 2)
    y = (x[:, 0] > 0).astype("float32")
    plan = TrainingPlan(epochs=3, monitor="val_accuracy", direction="max")
    hypermodel = MLP(Problem("binary", 2, 2), seed=1, plan=plan)
    hp = declared(hypermodel, **VALUES)
    model = TracedModels().model(hypermodel, hp, 7)
    options: Any = {"validation_data": (x, y), "class_weight": "balanced", "epochs": 3}
    fast = hypermodel.fit(hp, model, x, y, **options).history
    assert set(plain) == set(fast)
    for name in ("loss", "val_loss", "val_log_loss"):
        np.testing.assert_allclose(fast[name], plain[name], rtol=1e-4, err_msg=name)
