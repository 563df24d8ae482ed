"""The oracle `gp`: spaces as numbers, what is learned, where it looks, what it never does."""

import json
import math
from typing import Any

import keras_tuner as kt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_tuner.engine.hyperparameters import Float
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern

from src.registry import TUNERS, load
from src.seeds import oracle_seed
from src.tuners.gp.acquisition import PointSearch, log_expected_improvement
from src.tuners.gp.encoding import Encoding
from src.tuners.gp.kernel import MixedMatern
from src.tuners.gp.model import MOST_FITTED, MOST_POINTS, Prediction, ScoreModel
from src.tuners.gp.oracle import GaussianProcessOracle
from src.tuners.gp.targets import LARGEST, make_targets
from tests.benchmarks.searching.problems import hart6
from tests.tuners.random_spaces import check_point, spaces

OBJECTIVE = kt.Objective("score", "max")


def mixed_space() -> kt.HyperParameters:
    hp = kt.HyperParameters()
    hp.Float("rate", 1e-4, 1e-1, sampling="log")
    hp.Int("units", 16, 64, sampling="log")
    hp.Choice("optimizer", ["sgd", "momentum", "adam"])
    with hp.conditional_scope("optimizer", ["momentum"]):
        hp.Float("momentum", 0.5, 0.99)
    hp.Choice("batch_size", [16, 32, 64])
    hp.Boolean("bias")
    hp.Fixed("layers", 2)
    return hp


def oracle_for(space: kt.HyperParameters, **arguments: Any) -> GaussianProcessOracle:
    return GaussianProcessOracle(
        **{"objective": OBJECTIVE, "hyperparameters": space, "seed": 3} | arguments
    )


def end(oracle: Any, trial: Any, score: float | None) -> None:
    if score is not None:
        oracle.update_trial(trial.trial_id, {"score": score})
    trial.status = "FAILED" if score is None else "COMPLETED"
    oracle.end_trial(trial)


def run(oracle: Any, trials: int, score: Any) -> list[dict[str, Any]]:
    points = []
    for _ in range(trials):
        trial = oracle.create_trial("slot0")
        if trial.status != "RUNNING":
            break
        points.append(dict(trial.hyperparameters.values))
        end(oracle, trial, score(trial.hyperparameters.values))
    return points


def distinct(points: list[dict[str, Any]]) -> int:
    return len({repr(sorted(point.items())) for point in points})


# The encoding


@settings(max_examples=20, deadline=None, derandomize=True, database=None)
@given(space=spaces(), seed=st.integers(0, 2**32))
def test_every_coordinate_is_a_valid_point_and_comes_back(
    space: kt.HyperParameters, seed: int
) -> None:
    encoding = Encoding(space.space)
    points = np.random.default_rng(seed).random((20, len(encoding.axes)))
    points[0], points[1] = 0.0, np.nextafter(1.0, 0.0)
    active = encoding.active(points)
    values = [encoding.values(point) for point in points]
    for row, point in enumerate(values):
        check_point(space, point)
        for number, axis in enumerate(encoding.axes):
            assert active[row, number] == all(c.is_active(point) for c in axis.hp.conditions)
    again, also_active = encoding.encode(values)
    assert np.array_equal(active, also_active)
    np.testing.assert_allclose(
        encoding.features(points, active), encoding.features(again, active), atol=1e-5
    )
    for point, one in zip(values, again, strict=True):
        for name, value in encoding.values(one).items():
            same = value == point[name]
            assert same or (
                isinstance(value, float) and math.isclose(value, point[name], rel_tol=1e-6)
            )


@pytest.mark.parametrize("sampling", ["linear", "log", "reverse_log"])
def test_uniform_coordinates_are_keras_tuners_own_sampling(sampling: str) -> None:
    hp = kt.HyperParameters()
    hp.Float("a", 0.001, 10.0, sampling=sampling)
    hp.Int("b", 3, 700, sampling=sampling)
    hp.Int("c", 2, 64, sampling=sampling, step=3)
    encoding = Encoding(hp.space)
    for coordinate in np.linspace(0, 0.9999, 50):
        values = encoding.values(np.full(3, coordinate))
        expected = {h.name: h.prob_to_value(coordinate) for h in hp.space}
        assert math.isclose(values["a"], expected["a"], rel_tol=1e-9)
        assert abs(values["b"] - expected["b"]) <= (0 if sampling == "linear" else 1)
        assert values["c"] == expected["c"]


def test_an_inactive_hyperparameter_is_as_far_from_each_value_as_the_ends_are_apart() -> None:
    hp = kt.HyperParameters()
    hp.Choice("optimizer", ["sgd", "momentum"])
    with hp.conditional_scope("optimizer", ["momentum"]):
        hp.Float("momentum", 0.0, 1.0)
    encoding = Encoding(hp.space)
    points, active = encoding.encode(
        [{"optimizer": "sgd"}]
        + [{"optimizer": "momentum", "momentum": value} for value in (0.0, 0.3, 1.0)]
    )
    features = encoding.features(points, active)[:, :2]  # the momentum's
    far = np.linalg.norm(features[:, np.newaxis] - features, axis=-1)
    np.testing.assert_allclose(far[0, 1:], 1.0)
    assert far[1, 3] == pytest.approx(2 * math.sin(0.5))
    assert far[1, 2] < far[1, 3]


def test_numbers_to_choose_from_have_an_order_and_texts_have_none() -> None:
    hp = kt.HyperParameters()
    hp.Choice("batch_size", [16, 32, 64, 0])  # 0 stands for a word
    hp.Choice("any", [5, 1, 3, 2])
    hp.Choice("activation", ["relu", "tanh", "gelu"])
    categorical = {axis.name: axis.categorical for axis in Encoding(hp.space).axes}
    assert categorical == {"batch_size": False, "any": True, "activation": True}


def test_a_value_beside_the_steps_of_a_long_range_is_moved_to_the_nearest() -> None:
    hp = kt.HyperParameters()
    hp.Int("rows", 5, 2 * 10**9, step=7)
    hp.Float("rate", 0.0, 1.0, step=0.25)
    encoding = Encoding(hp.space)
    points, _ = encoding.encode([{"rows": 7 * 10**8 + 2, "rate": 0.6}, {"rows": 1, "rate": 2.0}])
    assert encoding.values(points[0]) == {"rows": 7 * 10**8 + 5, "rate": 0.5}
    assert encoding.values(points[1]) == {"rows": 5, "rate": 1.0}


# The kernel and the model


def test_the_kernel_is_scikit_learns_matern_on_numbers() -> None:
    points = np.random.default_rng(0).random((7, 4))
    kernel = MixedMatern(2, np.array([0.3, 2.0]), noise=0.01)
    stock = Matern(length_scale=[0.3, 0.3, 2.0, 2.0], nu=2.5)
    np.testing.assert_allclose(kernel(points, points[:3]), stock(points, points[:3]), atol=1e-7)
    np.testing.assert_allclose(kernel(points), stock(points) + 0.01 * np.eye(7), atol=1e-7)


def test_the_gradient_of_the_kernel_is_that_of_finite_differences() -> None:
    generator = np.random.default_rng(1)
    points = np.column_stack([generator.random((6, 4)), generator.integers(-1, 3, (6, 2))])
    kernel = MixedMatern(2, np.array([0.3, 2.0, 0.8, 1.5]), amplitude=1.7, noise=0.02)
    covariances, gradient = kernel(points, eval_gradient=True)
    np.testing.assert_allclose(covariances, kernel(points), atol=1e-9)
    for number, at in enumerate(kernel.theta):
        theta = kernel.theta
        theta[number] = at + 1e-6
        numeric = (kernel.clone_with_theta(theta)(points) - covariances) / 1e-6
        np.testing.assert_allclose(gradient[..., number], numeric, atol=1e-5)


def test_two_categories_differ_by_the_same_whichever_they_are() -> None:
    kernel = MixedMatern(0, np.array([1.0]))
    alike = kernel(np.array([[0.0], [1.0], [7.0], [-1.0]]), np.array([[0.0]]))[:, 0]
    assert alike[0] == pytest.approx(1.0)
    assert len(set(alike[1:].tolist())) == 1
    assert 0 < alike[1] < 1


def fitted(count: int) -> ScoreModel:
    generator = np.random.default_rng(2)
    x = generator.random(count)
    features = np.column_stack([np.cos(x), np.sin(x)])
    scores = -np.square(x - 0.4) + 0.01 * generator.normal(size=count)
    return ScoreModel(features, make_targets(scores, np.zeros(count, bool), "max"), 1, 1)


def at(x: list[float]) -> Any:
    return np.column_stack([np.cos(x), np.sin(x)])


def test_the_model_finds_the_maximum_under_noise() -> None:
    places = np.linspace(0, 1, 101)
    expected = fitted(60).predict(at(places.tolist())).mean
    assert abs(places[int(expected.argmax())] - 0.4) < 0.08


def test_a_running_point_is_taken_to_score_as_expected_and_leaves_nothing_to_learn() -> None:
    model = fitted(8)
    before = model.predict(at([0.97, 0.1]))
    model.believe(at([0.97]))
    after = model.predict(at([0.97, 0.1]))
    np.testing.assert_allclose(after.mean, before.mean, atol=0.05)
    assert after.deviation[0] < 0.7 * before.deviation[0]


def test_shorter_lengths_leave_what_was_seen_and_widen_what_was_not() -> None:
    generator = np.random.default_rng(5)
    points = generator.random((40, 2)) * [1.0, 0.1] + [0.0, 0.3]
    scores = np.sin(9 * points[:, 0])  # of the other one nothing is seen, and little was tried
    features = np.column_stack([points[:, :1], np.zeros(40), points[:, 1:], np.zeros(40)])
    far = np.array([[0.5, 0.0, 0.95, 0.0]])
    model = ScoreModel(features, make_targets(scores, np.zeros(40, bool), "max"), 2, 2)
    seen, before, fit = model.predict(features).mean, model.predict(far), model.theta.tolist()
    model.shorten(0.3)
    np.testing.assert_allclose(model.predict(features).mean, seen, atol=0.05)
    assert model.predict(far).deviation[0] > 2 * before.deviation[0]
    assert model.theta.tolist() == fit  # from which the next one goes on


def test_every_third_proposal_of_one_worker_distrusts_the_lengths(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shortened: list[tuple[int, float]] = []
    shorten = ScoreModel.shorten

    def spy(model: ScoreModel, factor: float) -> None:
        shortened.append((len(oracle.trials), factor))
        shorten(model, factor)

    monkeypatch.setattr(ScoreModel, "shorten", spy)
    oracle = oracle_for(mixed_space(), initial_points=4)
    run(oracle, 15, lambda values: values["rate"])
    assert shortened == [(5, 0.3), (8, 0.3), (11, 0.3), (14, 0.3)]
    oracle.create_trial("slot0")
    oracle.create_trial("slot1")
    oracle.create_trial("slot2")  # the 18th, beside two that run
    assert len(shortened) == 4


@pytest.mark.slow
def test_it_leaves_the_second_best_optimum() -> None:
    problem = hart6()
    oracle = oracle_for(
        problem.space, objective=kt.Objective("score", problem.direction), seed=oracle_seed(108)
    )
    points = run(oracle, 60, problem.score)
    assert min(problem.regret(problem.score(point)) for point in points[:25]) > 0.1
    assert min(problem.regret(problem.score(point)) for point in points) < 0.01


def test_the_cost_of_a_fit_is_bounded_as_trials_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[tuple[int, bool]] = []
    fit = GaussianProcessRegressor.fit

    def counted(self: Any, x: Any, y: Any) -> Any:
        sizes.append((len(x), self.optimizer is not None))
        return fit(self, x, y)

    monkeypatch.setattr(GaussianProcessRegressor, "fit", counted)
    model = fitted(700)
    assert sizes == [(MOST_FITTED, True), (MOST_POINTS, False)]
    places = np.linspace(0, 1, 101)
    assert abs(places[int(model.predict(at(places.tolist())).mean.argmax())] - 0.4) < 0.05


# What is learned


def test_outlying_bad_scores_are_tamed_and_keep_their_order() -> None:
    scores = np.array([0.90, 0.92, 0.95, 0.93, 0.91, 0.1, -1e30])
    targets = make_targets(scores, np.zeros(7, bool), "max").values
    assert np.argsort(targets).tolist() == np.argsort(scores).tolist()
    assert targets.std() == pytest.approx(1.0)
    plain = (scores - scores.mean()) / scores.std()
    assert np.ptp(plain[:5]) < 1e-12  # untamed, the good ones are all alike
    assert np.ptp(targets[:5]) > 0.05


def test_targets_of_a_minimum_are_those_of_the_maximum_turned_round() -> None:
    scores, none = np.array([3.0, 1.0, 2.0, 8.0]), np.zeros(4, bool)
    lowest, highest = make_targets(scores, none, "min"), make_targets(-scores, none, "max")
    np.testing.assert_array_equal(lowest.values, highest.values)


def test_a_failure_is_poor_but_no_outlier_and_is_not_trusted_exactly() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.0])
    targets = make_targets(scores, np.array([False] * 4 + [True]), "max")
    assert targets.values[3] <= targets.values[4] < targets.values[2]
    assert targets.noise[:4].tolist() == [0.0] * 4
    assert targets.noise[4] > 0


def test_where_all_scores_are_alike_a_failure_is_still_worse() -> None:
    # The mean of three times 0.1 is not exactly 0.1.
    targets = make_targets(np.array([0.1, 0.0, 0.1, 0.1]), np.arange(4) == 1, "max")
    assert targets.values.tolist() == [0.0, -1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "scores",
    [
        [1.7e308, -1.7e308, 0.0],
        [0.1] * 3,
        [0.0] * 3,
        [LARGEST] * 3,
        [0.0, 0.0, 5e-324],
        [5e-324, 0.0, -1.0],
    ],
)
@pytest.mark.parametrize("failures", [0, 2, 3])
def test_targets_are_finite_whatever_the_scores(scores: list[float], failures: int) -> None:
    failed = np.arange(3) < failures
    targets = make_targets(np.array(scores), failed, "max")
    assert np.isfinite(targets.values).all()
    assert np.abs(targets.values).max() < 10


# Where it looks


def test_expected_improvement_is_the_textbooks_and_never_underflows() -> None:
    prediction = Prediction(np.array([0.0, 1.0, -1.0]), np.array([1.0, 0.5, 2.0]))
    drawn = np.random.default_rng(0).normal(size=1_000_000)
    for index, value in enumerate(np.exp(log_expected_improvement(prediction, 0.5)).tolist()):
        sample = prediction.mean[index] + prediction.deviation[index] * drawn
        assert value == pytest.approx(np.maximum(sample - 0.5, 0).mean(), rel=0.01)
    means = np.linspace(-300, 0, 400)
    far = log_expected_improvement(Prediction(means, np.ones(400)), 0.0)
    assert np.isfinite(far).all()
    assert (np.diff(far) > 0).all()


def test_promising_points_lie_at_the_maximum_of_the_acquisition() -> None:
    space = kt.HyperParameters()
    space.Float("x", 0.0, 1.0)
    encoding = Encoding(space.space)
    search = PointSearch(encoding, fitted(10), 0.5, np.random.default_rng(0))
    best = search.promising(np.array([[0.2], [0.9]]))[:1]
    everywhere = search.values(np.linspace(0, 0.999, 2000)[:, np.newaxis])
    assert search.values(best)[0] >= everywhere.max() - 1e-3


# The oracle


def test_it_finds_the_best_branch_and_value_of_a_mixed_space() -> None:
    def score(values: dict[str, Any]) -> Any:
        branch = {"sgd": 0.3, "momentum": 0.0, "adam": 0.4}[values["optimizer"]]
        momentum = values.get("momentum", 0.9)
        rate = math.log10(values["rate"]) + 2
        return -(branch + rate**2 + 10 * (momentum - 0.9) ** 2 + abs(values["units"] - 40) / 40)

    points = run(oracle_for(mixed_space()), 40, score)
    best = max(points, key=score)
    assert best["optimizer"] == "momentum"
    assert score(best) > -0.15
    assert distinct(points) == 40


def test_incumbent_is_what_the_model_expects_not_the_luckiest_score(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[float] = []
    original = PointSearch.__init__

    def noted(self: Any, encoding: Any, model: Any, incumbent: float, generator: Any) -> None:
        seen.append(incumbent)
        original(self, encoding, model, incumbent, generator)

    monkeypatch.setattr(PointSearch, "__init__", noted)
    space = kt.HyperParameters()
    space.Float("x", 0.0, 1.0)
    noise = np.random.default_rng(5)
    oracle = oracle_for(space)
    run(oracle, 30, lambda values: -((values["x"] - 0.5) ** 2) + 0.3 * noise.normal())
    scores = np.array([trial.score for trial in oracle.trials.values()][:-1])
    luckiest = make_targets(scores, np.zeros(29, bool), "max").values.max()
    assert max(seen[-3:]) < luckiest  # with the largest margin
    assert min(seen[-3:]) < 0.7 * luckiest


@pytest.mark.parametrize("pending", [1, 3])
def test_a_finite_space_is_tried_out_once_and_then_the_search_ends(pending: int) -> None:
    hp = kt.HyperParameters()
    hp.Choice("a", ["x", "y", "z"])
    with hp.conditional_scope("a", ["x"]):
        hp.Int("b", 1, 4)
    hp.Boolean("c")
    oracle = oracle_for(hp)
    running: list[Any] = []
    points: list[dict[str, Any]] = []
    stopped = 0
    while stopped == 0 or running:
        if len(running) < pending and not stopped:
            trial = oracle.create_trial(f"slot{len(points)}")
            if trial.status == "RUNNING":
                running.append(trial)
                points.append(dict(trial.hyperparameters.values))
            else:
                assert trial.status == "STOPPED"
                stopped += 1
        elif running:
            end(oracle, running.pop(0), 0.1 * len(points))
    assert len(points) == distinct(points) == (4 + 2) * 2
    assert oracle.create_trial("slot0").status == "STOPPED"


@pytest.mark.parametrize("name", ["gp", "tpe"])
def test_a_float_with_one_value_does_not_end_the_search_early(name: str) -> None:
    if name == "tpe":
        pytest.importorskip("optuna", reason="tuner.name=tpe needs the package optuna")
    hp = kt.HyperParameters()
    hp.Float("pinned", 2.0, 2.0)
    hp.Int("units", 1, 40)
    oracle = load(TUNERS, name, "tuner.name")(objective=OBJECTIVE, hyperparameters=hp, seed=3)
    points = run(oracle, 41, lambda values: values["units"] % 3)
    assert {point["units"] for point in points} == set(range(1, 41))


def test_failures_are_avoided_without_giving_up_what_lies_near() -> None:
    # Above 1e-2 everything diverges; the best rate lies close below.
    space = kt.HyperParameters()
    space.Float("rate", 1e-5, 1.0, sampling="log")
    space.Float("other", 0.0, 1.0)

    def score(values: dict[str, Any]) -> float | None:
        rate = math.log10(values["rate"])
        return None if rate > -2 else rate - (values["other"] - 0.3) ** 2

    oracle = oracle_for(space)
    points = run(oracle, 40, score)
    failed = [math.log10(point["rate"]) > -2 for point in points]
    assert sum(failed[20:]) <= 10
    best = max(trial.score for trial in oracle.trials.values() if trial.score is not None)
    assert best > -2.15


@pytest.mark.parametrize("score", [None, 0.5, 1.7e308, -1.7e308, 5e-324])
def test_scores_that_are_all_alike_or_all_missing_leave_it_exploring(score: float | None) -> None:
    points = run(oracle_for(mixed_space()), 20, lambda _: score)
    assert distinct(points) == 20
    assert len({point["optimizer"] for point in points}) == 3


def test_extreme_scores_do_no_harm() -> None:
    scores = iter([1.7e308, -1.7e308, 0.5, 0.25, -0.0, 5e-324] * 5)
    points = run(oracle_for(mixed_space()), 30, lambda _: next(scores))
    assert distinct(points) == 30


def test_ten_thousand_categories_and_categories_alone() -> None:
    space = kt.HyperParameters()
    space.Choice("word", [f"w{number}" for number in range(10_000)])
    space.Choice("letter", ["a", "b", "c"])
    points = run(oracle_for(space), 30, lambda values: -"abc".index(values["letter"]))
    assert distinct(points) == 30
    assert sum(point["letter"] == "a" for point in points[10:]) >= 15


def test_hyperparameters_that_a_build_finds_are_searched_from_then_on() -> None:
    space = kt.HyperParameters()
    space.Float("x", 0.0, 1.0)
    oracle = oracle_for(space)
    points = []
    for number in range(25):
        trial = oracle.create_trial("slot0")
        if number >= 12:
            trial.hyperparameters.Float("y", 0.0, 1.0)
            trial.hyperparameters.Choice("z", ["a", "b"])
        points.append(dict(trial.hyperparameters.values))
        end(oracle, trial, points[-1]["x"] + points[-1].get("y", 0.0))
    assert "y" not in points[11]
    assert {"y", "z"} <= set(points[14])
    assert max(point["y"] for point in points[13:]) > 0.8
    assert distinct(points) == 25


def test_the_same_seed_gives_the_same_points_and_another_gives_others() -> None:
    def score(values: dict[str, Any]) -> float:
        return float(values["units"])

    first = run(oracle_for(mixed_space()), 20, score)
    assert run(oracle_for(mixed_space()), 20, score) == first
    other = run(oracle_for(mixed_space(), seed=4), 20, score)
    assert other[0] == first[0]  # the default
    assert not any(point in first for point in other[1:])


def test_a_restored_oracle_proposes_as_the_first_one_would_have() -> None:
    def score(values: dict[str, Any]) -> Any:
        return -abs(values["units"] - 40) - abs(math.log10(values["rate"]) + 2)

    whole = run(oracle_for(mixed_space()), 18, score)
    for stop in (3, 13):
        oracle = oracle_for(mixed_space())
        run(oracle, stop, score)
        running = oracle.create_trial("slot0")
        state = json.loads(json.dumps(oracle.get_state()))
        trials = json.loads(json.dumps([t.get_state() for t in oracle.trials.values()]))
        restored = oracle_for(mixed_space())
        restored.restore(state, trials)
        again = restored.trials[running.trial_id]
        end(restored, again, score(again.hyperparameters.values))
        assert run(restored, 18 - stop - 1, score) == whole[stop + 1 :]


def test_the_plan_says_how_it_starts() -> None:
    assert oracle_for(mixed_space()).plan(50) == [
        "50 trials",
        "the default configuration first, then 7 spread evenly",
    ]


def test_ranges_that_rounding_blurs_are_searched() -> None:
    space = kt.HyperParameters()
    space.Float("wide", -1.7e308, 1.7e308)
    space.Float("denormal", 0.0, 5e-324)
    space.Float("narrow", 1e300, math.nextafter(1e300, math.inf), sampling="log")
    space.Float("x", 0.0, 1.0)
    points = run(oracle_for(space), 14, lambda values: values["x"])
    assert distinct(points) == 14
    for point in points:
        check_point(space, point)


def test_a_float_with_a_step_may_have_its_last_value() -> None:
    space = kt.HyperParameters()
    space.Float("x", 0.0, 1.0, step=0.25)
    points = run(oracle_for(space), 10, lambda values: values["x"])
    last = next(hp for hp in space.space if isinstance(hp, Float))
    assert {point["x"] for point in points} == set(last.values)
