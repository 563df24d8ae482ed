"""The tuner `gp`: spaces as numbers, what is learned, where it looks, what it never does."""

import math
from typing import Any

import keras_tuner as kt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import Matern

from src.seeds import oracle_seed
from src.tuners.gp.acquisition import PointSearch, log_expected_improvement
from src.tuners.gp.encoding import Encoding
from src.tuners.gp.kernel import MixedMatern
from src.tuners.gp.model import MOST_FITTED, MOST_POINTS, ScoreModel, make_targets
from src.tuners.gp.oracle import GaussianProcessOracle
from tests.benchmarks.searching.problems import hart6
from tests.tuners.driving import DEFAULT, OBJECTIVE, distinct, make, mixed_space, run
from tests.tuners.random_spaces import check_point, spaces


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
    if encoding.axes:
        before, after = (encoding.features(places, active) for places in (points, again))
        np.testing.assert_allclose(before, after, atol=1e-5)
    for point, one in zip(values, again, strict=True):
        for name, value in encoding.values(one).items():
            assert value == point[name] or math.isclose(value, point[name], rel_tol=1e-6)


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


def test_orders_and_values_beside_the_steps() -> None:
    hp = kt.HyperParameters()
    hp.Choice("batch_size", [16, 32, 64, 0])  # 0 stands for a word
    hp.Choice("any", [5, 1, 3, 2])
    hp.Choice("activation", ["relu", "tanh", "gelu"])
    categorical = {axis.hp.name: axis.is_categorical for axis in Encoding(hp.space).axes}
    assert categorical == {"batch_size": False, "any": True, "activation": True}
    steps = kt.HyperParameters()
    steps.Int("rows", 5, 2 * 10**9, step=7)  # a long range
    steps.Float("rate", 0.0, 1.0, step=0.25)
    encoding = Encoding(steps.space)
    points, _ = encoding.encode([{"rows": 7 * 10**8 + 2, "rate": 0.6}, {"rows": 1, "rate": 2.0}])
    assert encoding.values(points[0]) == {"rows": 7 * 10**8 + 5, "rate": 0.5}
    assert encoding.values(points[1]) == {"rows": 5, "rate": 1.0}


def test_the_kernel_is_scikit_learns_matern_on_numbers_and_categories_differ_alike() -> None:
    points = np.random.default_rng(0).random((7, 4))
    kernel = MixedMatern(2, np.array([0.3, 2.0]), noise=0.01)
    stock = Matern(length_scale=[0.3, 0.3, 2.0, 2.0], nu=2.5)
    np.testing.assert_allclose(kernel(points, points[:3]), stock(points, points[:3]), atol=1e-7)
    np.testing.assert_allclose(kernel(points), stock(points) + 0.01 * np.eye(7), atol=1e-7)
    categories = MixedMatern(0, np.array([1.0]))
    alike = categories(np.array([[0.0], [1.0], [7.0], [-1.0]]), np.array([[0.0]]))[:, 0]
    assert alike[0] == pytest.approx(1.0)
    assert 0 < alike[1] == alike[2] == alike[3] < 1


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


def targets_of(scores: Any, failed: Any = None, direction: str = "max") -> tuple[Any, Any]:
    count = len(scores)
    failures = np.zeros(count, bool) if failed is None else np.array(failed)
    return make_targets(np.array(scores, float), failures, direction, np.zeros(count))


def at(x: Any) -> Any:
    return np.column_stack([np.cos(x), np.sin(x)])


def fitted(count: int) -> ScoreModel:
    generator = np.random.default_rng(2)
    x = generator.random(count)
    scores = -np.square(x - 0.4) + 0.01 * generator.normal(size=count)
    return ScoreModel(at(x), *targets_of(scores), 1, None)


def test_the_cost_of_a_fit_is_bounded_and_the_maximum_is_found_under_noise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes: list[tuple[int, bool]] = []
    fit = GaussianProcessRegressor.fit

    def counted(self: Any, x: Any, y: Any) -> Any:
        sizes.append((len(x), self.optimizer is not None))
        return fit(self, x, y)

    monkeypatch.setattr(GaussianProcessRegressor, "fit", counted)
    places = np.linspace(0, 1, 101)
    for count in (60, 700):
        mean, _ = fitted(count).predict(at(places))
        assert abs(places[int(mean.argmax())] - 0.4) < 0.08
    assert sizes == [(60, True), (MOST_FITTED, True), (MOST_POINTS, False)]


def test_a_running_point_is_taken_to_score_as_expected_and_leaves_nothing_to_learn() -> None:
    model = fitted(8)
    before = model.predict(at([0.97, 0.1]))
    model.believe(at([0.97]))
    after = model.predict(at([0.97, 0.1]))
    np.testing.assert_allclose(after[0], before[0], atol=0.05)
    assert after[1][0] < 0.7 * before[1][0]


def test_outlying_bad_scores_are_drawn_in_and_keep_their_order() -> None:
    scores = np.array([0.90, 0.92, 0.95, 0.93, 0.91, 0.1, -1e30])
    targets, _ = targets_of(scores)
    assert np.argsort(targets).tolist() == np.argsort(scores).tolist()
    assert targets.std() == pytest.approx(1.0)
    assert np.ptp(targets[:5]) > 0.05
    np.testing.assert_array_equal(targets_of(-scores, direction="min")[0], targets)


def test_a_failure_is_poor_but_no_outlier_and_is_not_trusted_exactly() -> None:
    targets, noise = targets_of([0.9, 0.8, 0.7, 0.6, 0.0], [False] * 4 + [True])
    assert targets[3] <= targets[4] < targets[2]
    assert noise[:4].tolist() == [0.0] * 4
    assert noise[4] > 0
    # The mean of three times 0.1 is not exactly 0.1.
    targets, _ = targets_of([0.1, 0.0, 0.1, 0.1], [False, True, False, False])
    assert targets.tolist() == [0.0, -1.0, 0.0, 0.0]


def test_expected_improvement_is_the_textbooks_and_never_underflows() -> None:
    mean, deviation = np.array([0.0, 1.0, -1.0]), np.array([1.0, 0.5, 2.0])
    drawn = np.random.default_rng(0).normal(size=1_000_000)
    for index, value in enumerate(np.exp(log_expected_improvement(mean, deviation, 0.5)).tolist()):
        sample = mean[index] + deviation[index] * drawn
        assert value == pytest.approx(np.maximum(sample - 0.5, 0).mean(), rel=0.01)
    far = log_expected_improvement(np.linspace(-300, 0, 400), np.ones(400), 0.0)
    assert np.isfinite(far).all()
    assert (np.diff(far) > 0).all()


def test_promising_points_lie_at_the_maximum_of_the_acquisition() -> None:
    space = kt.HyperParameters()
    space.Float("x", 0.0, 1.0)
    search = PointSearch(Encoding(space.space), fitted(10), 0.5, np.random.default_rng(0))
    best = search.promising(np.array([[0.2], [0.9]]))[:1]
    everywhere = search.values(np.linspace(0, 0.999, 2000)[:, np.newaxis])
    assert search.values(best)[0] >= everywhere.max() - 1e-3


def test_it_starts_with_the_default_and_even_points_then_finds_the_best_branch_and_value() -> None:
    def score(values: dict[str, Any]) -> float:
        branch = {"sgd": 0.3, "momentum": 0.0, "adam": 0.4}[values["optimizer"]]
        momentum = values.get("momentum", 0.9)
        rate = math.log10(values["rate"]) + 2
        units = abs(math.log2(values["units"] / 128)) / 4
        return -float(branch + rate**2 + 10 * (momentum - 0.9) ** 2 + units)

    oracle = make("gp", max_trials=40)
    points = run(oracle, 40, score)
    assert len({math.floor(4 * math.log10(point["rate"] / 1e-4) / 3) for point in points[:8]}) == 4
    best = max(points, key=score)
    assert best["optimizer"] == "momentum"
    assert score(best) > -0.15
    assert distinct(points) == 40
    other = run(make("gp", seed=8), 12, score)
    assert not any(point in points for point in other[1:])


def test_every_third_proposal_takes_shorter_lengths_unless_others_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shortened: list[int] = []
    shorten = ScoreModel.shorten

    def spy(model: ScoreModel, factor: float) -> None:
        shortened.append(len(oracle.trials))
        shorten(model, factor)

    monkeypatch.setattr(ScoreModel, "shorten", spy)
    oracle = make("gp", max_trials=40)
    run(oracle, 16, lambda values: values["rate"])
    assert shortened == [8, 11, 14]
    theta = oracle.get_state()["fitted"]["theta"]  # from which the next fit goes on
    assert len(theta) == len({*DEFAULT, "epsilon"} - {"layers"}) + 2
    for _ in range(3):  # the 18th beside two that run
        oracle.create_trial("")
    assert len(shortened) == 3


@pytest.mark.slow
def test_it_leaves_the_second_best_optimum() -> None:
    problem = hart6()
    oracle = GaussianProcessOracle(
        objective=kt.Objective(OBJECTIVE, problem.direction),
        hyperparameters=problem.space,
        seed=oracle_seed(108),
    )
    points = run(oracle, 60, problem.score)
    assert min(problem.regret(problem.score(point)) for point in points[:25]) > 0.1
    assert min(problem.regret(problem.score(point)) for point in points) < 0.01


def test_failures_are_avoided_without_giving_up_what_lies_near() -> None:
    # Above 1e-2 everything diverges; the best rate lies close below.
    space = kt.HyperParameters()
    space.Float("rate", 1e-5, 1.0, sampling="log")
    space.Float("other", 0.0, 1.0)

    def score(values: dict[str, Any]) -> float | None:
        rate = math.log10(values["rate"])
        return None if rate > -2 else rate - (values["other"] - 0.3) ** 2

    oracle = make("gp", space, max_trials=40)
    points = run(oracle, 40, score)
    assert sum(point["rate"] > 0.01 for point in points[20:]) <= 10
    assert max(trial.score for trial in oracle.trials.values() if trial.score is not None) > -2.15


@pytest.mark.parametrize("scores", [[None], [0.5], [1.7e308, -1.7e308, 0.5, 0.25, -0.0, 5e-324]])
def test_whatever_the_scores_it_goes_on_exploring(scores: list[float | None]) -> None:
    oracle = make("gp", mixed_space())
    points = run(oracle, 20, lambda _: scores[len(oracle.trials) % len(scores)])
    assert distinct(points) == 20
    assert len({point["optimizer"] for point in points}) == 3
