"""Each rule speaks where its data calls for it, and is silent where it does not."""

from dataclasses import replace

import numpy as np
import pandas as pd

from src.reporting.analysis.importance import Importance
from src.reporting.analysis.noise import Noise
from src.reporting.domains import Domain
from src.reporting.plots.progress import best_so_far, in_order
from src.reporting.rules import budget, certainty, edges, failures, mattered, training, winning
from src.reporting.rules.compared import compared
from src.reporting.rules.finding import Finding
from src.reporting.run_data import Untuned
from src.reporting.story import tell
from tests.reporting.tables import run_data, trials_table

RATE = Domain("rate", "float", low=1e-4, high=1e-2, log=True)
LAYERS = Domain("layers", "int", low=1, high=3)
KIND = Domain("kind", "choice", ("a", "b"))
NAN = float("nan")


def text_of(found: list[Finding]) -> str:
    assert len(found) == 1, found
    return found[0].text


def importance(r2: float | None, trials: int = 50, **shares: float) -> Importance:
    return Importance(r2, trials, shares, dict.fromkeys(shares, 0.01), dict.fromkeys(shares, 1.0))


def test_what_mattered_names_the_clear_ones_in_order() -> None:
    found = mattered.what_mattered(importance(0.6, rate=0.5, kind=0.2, layers=0.01))
    assert text_of(found) == ("`rate` mattered most, then `kind` (R² 0.60 on trials not seen).")


def test_nothing_is_claimed_of_a_bad_fit_or_few_trials() -> None:
    for given, said in (
        (importance(0.1, rate=0.5), "does not predict"),
        (importance(None, trials=5), "5 completed trials are too few"),
        (importance(None, trials=50), "hardly differ"),
        (importance(0.6, rate=0.02), "No single hyperparameter stands out"),
    ):
        text = text_of(mattered.what_mattered(given))
        assert said in text
        assert "mattered most" not in text


def test_what_did_not_matter_takes_enough_trials() -> None:
    assert "`layers`" in text_of(mattered.what_did_not(importance(0.6, rate=0.5, layers=0.0)))
    assert mattered.what_did_not(importance(0.6, trials=20, rate=0.5, layers=0.0)) == []
    assert mattered.what_did_not(importance(0.3, rate=0.5, layers=0.0)) == []


def rates(*values: float) -> pd.DataFrame:
    """Completed trials, best first."""
    return trials_table(np.linspace(0.9, 0.5, len(values)), rate=values)


def test_good_values_at_an_end_say_widen_it_but_not_beyond_a_limit() -> None:
    upper = rates(9.5e-3, 8e-3, 9e-3, *np.geomspace(1e-4, 5e-3, 12))
    text = text_of(edges.edge_findings(upper, [RATE], {}))
    assert text.endswith("upper end of its range: widen it above 0.01.")
    assert edges.edge_findings(upper, [RATE], {"rate": (0.0, 1e-2)}) == []
    lower = rates(1.1e-4, 1.2e-4, 1e-4, *np.geomspace(2e-4, 1e-2, 12))
    assert "widen it below 0.0001" in text_of(edges.edge_findings(lower, [RATE], {}))
    zero = Domain("rate", "float", low=0.0, high=1.0)
    assert edges.edge_findings(rates(0.0, 0.01, 0.02, *np.linspace(0.1, 1, 12)), [zero], {}) == []


def test_a_best_value_at_an_edge_by_chance_says_nothing() -> None:
    for first in (
        (1e-3, 9e-3, 9e-3),  # the best is inside
        (9.5e-3, 1e-3, 5e-4),  # the best is alone
        (NAN, 9e-3, 9e-3),  # inactive in the best
    ):
        table = rates(*first, *np.geomspace(1e-4, 5e-3, 12))
        assert edges.edge_findings(table, [RATE], {}) == []
    assert edges.edge_findings(rates(9.5e-3, 9e-3), [RATE], {}) == []  # too few


def test_of_few_integers_only_the_last_is_the_edge() -> None:
    table = trials_table(np.linspace(1, 0, 15), layers=[3, 3, 3, *[1, 2] * 6])
    assert edges.edge_of(table, LAYERS) == "high"
    table["layers"] = [3, 3, 2, *[1, 2] * 6]
    assert edges.edge_of(table, LAYERS) is None


def plateaus(*scales: float, plateau: bool = True, **columns: object) -> list[Finding]:
    """Of five trials, all with these scales in their epochs."""
    table = trials_table([0.9] * 5, plateau=plateau, **columns)
    rows = [
        {"trial_id": name, "epoch": epoch, "learning_rate": 0.1 / epoch, "plateau_scale": scale}
        for name in table["trial_id"]
        for epoch, scale in enumerate(scales, 1)
    ]
    return training.plateaus_never_fired(table, pd.DataFrame(rows))


def test_plateaus_that_never_lowered_the_rate_whatever_the_schedule_did() -> None:
    assert "never lowered the rate in any of the 5 trials" in text_of(plateaus(1.0, 1.0, 1.0))
    assert len(plateaus(1.0, 1.0, 1.0, schedule="cosine", warmup="linear")) == 1
    assert plateaus(1.0, 1.0, 0.5) == []
    assert plateaus(1.0, 0.5, 0.5, schedule="cosine") == []
    assert plateaus(1.0, 1.0, 1.0, plateau=False) == []
    assert plateaus(NAN, NAN) == []  # of a model whose callback does not tell


def test_early_stopping_that_always_did() -> None:
    table = trials_table([0.9] * 6, epochs=[20, 22, 25, 21, 20, 26], early_stopping_patience=5)
    text = text_of(training.early_stopping_always(table, 50))
    assert "all 6 trials, the longest at epoch 26 of 50: `training.epochs=30`" in text
    table["epochs"] = [20, 22, 50, 21, 20, 26]
    assert training.early_stopping_always(table, 50) == []
    table["epochs"], table["early_stopping_patience"] = 20, 0
    assert training.early_stopping_always(table, 50) == []


def test_best_epochs_at_the_end_say_train_longer() -> None:
    table = trials_table([0.9] * 10, best_epoch=[50, 49, 50, *[10] * 7])
    assert "`training.epochs=100`" in text_of(training.still_improving(table, 50))
    table["best_epoch"] = [50, 20, 10, *[10] * 7]
    assert training.still_improving(table, 50) == []
    table["best_epoch"] = [20, 50, 50, *[50] * 7]
    assert training.still_improving(table, 50) == []


def curves(loss: list[float], val_loss: list[float], **others: list[float]) -> pd.DataFrame:
    table = pd.DataFrame({"loss": loss, "val_loss": val_loss, **others})
    return table.set_index(np.arange(1, len(table) + 1))


FALLING = [1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1]


def test_the_winners_curves_tell_overfitting_a_gap_underfitting_or_a_good_fit() -> None:
    rises = [1, 0.8, 0.7, 0.6, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9]
    text = text_of(training.winner_fit(curves(FALLING, rises), "val_loss", "min"))
    assert "overfits from epoch 4 on" in text
    assert "50%" in text
    table = curves([0.1] * 10, [0.5] * 10, accuracy=[0.99] * 10, val_accuracy=[0.9] * 10)
    assert "0.99 against 0.9" in text_of(training.winner_fit(table, "val_accuracy", "max"))
    table = curves(FALLING, FALLING)
    assert "may underfit" in text_of(training.winner_fit(table, "val_loss", "min"))
    settled = [1.0, 0.6, 0.45, 0.42, 0.41, 0.405, 0.404, 0.403, 0.402, 0.402]
    found = training.winner_fit(curves(settled, settled), "val_loss", "min")
    assert found[0].kind == "good"
    assert training.winner_fit(curves([1.0, 0.5], [1.0, 0.5]), "val_loss", "min") == []
    assert training.winner_fit(pd.DataFrame({"loss": FALLING}), "val_loss", "min") == []


def test_a_lead_beyond_noise_and_one_within() -> None:
    table = trials_table([0.95, 0.9, 0.89], parameters=[5000, 1000, 9000])
    ahead = certainty.top_differs(table, Noise(0.01, "from 3 trainings"), "max")
    assert ahead[0].kind == "good"
    assert "ahead of the next by 0.05" in ahead[0].text
    tied = text_of(certainty.top_differs(table, Noise(0.02, "from 3 trainings"), "max"))
    assert "1 other trial (`0001`) is within chance of the best" in tied
    assert "Trial `0001` is the smallest, with 1,000 parameters against 5,000" in tied
    assert "tuner.reevaluate.trials=3" in text_of(certainty.top_differs(table, None, "max"))
    assert certainty.top_differs(table.head(1), None, "max") == []
    turned = trials_table([1.0, 1.5, 2.0])
    assert certainty.top_differs(turned, Noise(0.1, ""), "min")[0].kind == "good"


def agrees(
    validation: float | None, test: float | None, error: float | None, direction: str = "max"
) -> list[Finding]:
    judged = certainty.Judged("f1", direction, validation, test, 400, error, (0.7, 0.9))
    return certainty.test_agrees(judged)


def test_a_test_score_that_agrees_and_one_that_does_not() -> None:
    worse = agrees(0.95, 0.80, 0.03)
    assert worse[0].kind == "warning"
    assert "f1 is 0.8 (95 %: 0.7 … 0.9), clearly worse than 0.95" in worse[0].text
    assert agrees(0.95, 0.80, 0.08)[0].kind == "good"
    assert agrees(0.80, 0.95, 0.03)[0].kind == "good"  # better is no bad news
    assert agrees(2.0, 3.0, 0.3, "min")[0].kind == "warning"
    assert agrees(2.0, 3.0, 0.6, "min")[0].kind == "good"
    unknown = agrees(0.95, 0.80, None)
    assert unknown[0].kind == "note"
    assert "against 0.95 in validation" in unknown[0].text
    assert agrees(0.9, None, 0.1) == []


def test_what_won_has_its_values_and_its_lead_over_the_median() -> None:
    table = trials_table([0.95, 0.90, 0.85])
    values = {"rate": "0.01", "kind": "a"}
    assert text_of(winning.what_won(table, values, "max")) == (
        "Trial `0000` with `rate=0.01` and `kind=a`; its score is 0.05 better than the median "
        "trial's."
    )
    turned = text_of(winning.what_won(trials_table([1.0, 1.5, 2.0]), {}, "min"))
    assert turned == "Trial `0000`; its score is 0.5 better than the median trial's."
    assert text_of(winning.what_won(table.head(2), {}, "max")) == "Trial `0000`."
    assert winning.what_won(table.head(0), values, "max") == []


def bought(
    winner: float | None, error: float | None, direction: str = "max", **untuned: float | None
) -> list[Finding]:
    return winning.what_tuning_bought(
        "f1 on the test rows", direction, winner, list(untuned.items()), error
    )


def test_what_tuning_bought_is_told_against_the_best_untuned_model() -> None:
    clear = bought(0.95, 0.01, guess=0.1, linear=0.9)
    assert clear[0].kind == "good"
    assert "0.05 better than linear, which is not tuned (0.95 against 0.9)" in clear[0].text
    assert "no more than chance may make (0.057)" in text_of(bought(0.95, 0.02, linear=0.9))
    worse = bought(0.89, 0.01, linear=0.9)
    assert worse[0].kind == "warning"
    assert "bought nothing" in worse[0].text
    assert "better than linear" in text_of(bought(2.0, None, "min", guess=9.0, linear=3.0))
    assert bought(0.9, 0.1) == bought(None, 0.1, linear=0.9) == bought(0.9, 0.1, linear=None) == []


def test_a_winner_no_better_than_the_most_frequent_class_or_the_mean() -> None:
    rows = pd.DataFrame({"target": ["a"] * 70 + ["b"] * 30, "probability_a": 0.5})
    guess = rows.assign(prediction="a")
    assert "learned little or nothing" in text_of(certainty.beats_guessing(guess))
    assert certainty.beats_guessing(rows.assign(prediction=rows["target"])) == []
    target = np.random.default_rng(0).normal(size=100)
    rows = pd.DataFrame({"target": target, "prediction": target.mean()})
    assert "hardly better" in text_of(certainty.beats_guessing(rows))
    assert certainty.beats_guessing(rows.assign(prediction=0.7 * target)) == []


def some_failed(**columns: object) -> pd.DataFrame:
    table = trials_table([0.9, 0.8, 0.7, 0.9, 0.8, NAN, NAN, NAN], **columns)
    table.loc[table["status"] == "FAILED", "reason"] = "loss became nan in epoch 3"
    return table


def test_failures_are_counted_with_their_reason() -> None:
    text = text_of(failures.failure_share(some_failed()))
    assert text.startswith("3 trials of 8 failed and took 38% of the time")
    assert "“loss became nan” (3 times)" in text
    table = some_failed()
    table.loc[5:, "reason"] = [
        f"rejected: {n},001 parameters, more than limits.parameters=9" for n in (17, 18, 19)
    ]
    text = text_of(failures.failure_share(table))
    assert "“rejected: more than limits.parameters=9” (3 times)" in text
    one = trials_table([0.9, NAN])
    assert text_of(failures.failure_share(one)).endswith("with “no reason given”.")
    assert failures.failure_share(trials_table([0.9, 0.8])) == []


def test_failures_at_one_end_of_a_range_or_of_one_choice_are_found() -> None:
    good = (1e-4, 2e-4, 3e-4, 4e-4, 5e-4)
    for rate, advice in (
        ((*good, 6e-3, 7e-3, 8e-3), "lower `space.rate.max` to about 0.0005"),
        ((5e-3, 6e-3, 7e-3, 8e-3, 9e-3, *good[:3]), "raise `space.rate.min`"),
    ):
        assert advice in text_of(failures.failure_region(some_failed(rate=rate), [RATE]))
    mixed = some_failed(rate=[1e-4, 9e-3, 1e-3, 5e-3, 2e-4, 3e-4, 2e-3, 8e-3])
    assert failures.failure_region(mixed, [RATE]) == []
    table = some_failed(kind=[*"aaaaa", *"bbb"])
    assert "`kind=b`: leave it out" in text_of(failures.failure_region(table, [KIND]))
    assert failures.failure_region(some_failed(kind=[*"aabba", *"bbb"]), [KIND]) == []


def test_a_late_best_and_a_long_calm() -> None:
    rising = trials_table(np.linspace(0.1, 0.9, 20))
    assert budget.idle_trials(rising, "max") == 0
    assert budget.idle_trials(rising.head(5), "max") is None
    early = trials_table([0.5, 0.9, *np.full(17, 0.6), 0.905])
    assert budget.idle_trials(early, "max", tolerance=0.01) == 18  # the last is within noise
    assert budget.idle_trials(early, "max") == 0
    assert "came late" in text_of(budget.search_length(20, 0))
    assert "last 18 trials of 20" in text_of(budget.search_length(20, 18))
    assert budget.search_length(20, 6) == budget.search_length(5, None) == []


def test_runs_are_compared_only_where_they_can_be() -> None:
    better = run_data(trials_table([0.95, 0.5]), objective="val_accuracy", fingerprint="x")
    worse = run_data(trials_table([0.90, 0.5]), objective="val_accuracy", fingerprint="x")
    noise = Noise(0.01, "from 100 validation rows")
    assert "more than chance" in text_of(compared([worse, better], [noise, noise]))
    loud = Noise(0.1, "from 10 validation rows")
    assert "no more than chance" in text_of(compared([worse, better], [loud, loud]))
    other = run_data(trials_table([0.9]), objective="val_loss", direction="min")
    assert "different objectives" in text_of(compared([better, other], [noise, noise]))
    reseeded = replace(worse, settings={"seed": 7})
    first, second = compared([replace(better, settings={"seed": 1}), reseeded], [noise, noise])
    assert "split otherwise (`seed`)" in first.text
    assert "more than chance" in second.text
    rows = run_data(trials_table([0.9]), objective="val_accuracy", fingerprint="y")
    assert "different rows" in compared([better, rows], [noise, noise])[0].text


def test_a_trial_that_has_overtaken_the_exported_one_is_not_taken_for_it() -> None:
    rows = pd.DataFrame({"split": "test", "target": ["a", "b"] * 50, "prediction": ["a", "b"] * 50})
    rows["probability_a"] = (rows["target"] == "a").astype(float)
    rows["probability_b"] = 1 - rows["probability_a"]
    linear = Untuned("linear", {"accuracy": 0.7}, {"accuracy": 0.7})
    data = run_data(
        trials_table([0.80, 0.95, 0.70]),
        objective="val_accuracy",
        winner="0000",
        metrics={"validation": {"accuracy": 0.8}, "test": {"accuracy": 0.99}},
        baselines=(linear,),
        predictions=rows,
    )
    story, told = tell(data), tell(replace(data, winner="0001"))
    assert text_of(list(story.won)).startswith("Trial `0001`")
    assert story.real[-1].text.startswith("The test rows have judged trial `0000`, the best when")
    assert "0.29 better than linear" in told.won[1].text
    assert "On the 100 test rows, used once, accuracy is 0.99" in told.real[-1].text
    assert not any("0.99" in finding.text for finding in story.findings)


def test_the_reevaluation_of_the_winner_is_told() -> None:
    table = pd.DataFrame(
        {
            "trial_id": ["0003", "0001", "0002"],
            "reevaluated": [0.91, 0.89, NAN],
            "reevaluated_error": [0.004, 0.01, NAN],
            "search_score": [0.92, 0.94, 0.88],
        }
    )
    (finding,) = certainty.reevaluated(table)
    assert finding.text == (
        "The best 2 trials were trained again from new seeds: `0003` has the best mean, "
        "0.91 ± 0.004, where the search had seen 0.92."
    )
    assert certainty.reevaluated(table.tail(1)) == []


def test_trials_that_were_stopped_early_are_said_and_mislead_nobody() -> None:
    stopped_by = [None, None, None, None, "pruner", "pruner", "limit"]
    table = trials_table(
        [0.9, 0.8, 0.7, 0.6, 0.95, 0.4, 0.5],
        stopped_by=stopped_by,
        epochs=[50, 50, 50, 50, 5, 7, 9],
        best_epoch=[50, 49, 50, 10, 5, 7, 9],
        early_stopping_patience=5,
    )
    told = {"0004": 0.65, "0005": 0.6, "0006": None}
    data = run_data(table, settings={"training.epochs": 50}, told=told)
    # A pruned trial's score does not compare: of folds, it may be that of an easy one.
    assert data.completed["trial_id"].tolist() == [f"000{n}" for n in (0, 1, 2, 3, 6, 4, 5)]
    assert data.expected["score"].tolist() == [0.9, 0.8, 0.7, 0.6, 0.5, 0.65, 0.6]
    assert data.trained_to_end["trial_id"].tolist() == ["0000", "0001", "0002", "0003"]
    found = {finding.text.partition(" before")[0] for finding in tell(data).trained}
    assert {
        "The pruner ended 2 of 7 completed trials",
        "A limit of the search ended 1 of 7 completed trials",
    } <= found
    texts = [finding.text for finding in training.stopped_early(data.completed, 50)]
    assert "after 6 epochs of 50 on average: their scores are what" in texts[0]
    # Those neither stopped early nor keep the others from asking for more epochs.
    assert training.early_stopping_always(data.trained_to_end, 50) == []
    assert any("`training.epochs=100`" in finding.text for finding in tell(data).trained)
    many = trials_table([0.5] * 10 + [0.9], stopped_by=[None] * 10 + ["pruner"])
    assert budget.idle_trials(many, "max", behind=run_data(many).behind) == 10


def test_a_trial_that_lacks_fits_is_behind_and_its_epochs_are_those_of_its_last_fit() -> None:
    scores = [0.5, 0.6, *[0.4] * 7, 0.9, 0.8]
    table = trials_table(scores, stopped_by=[None] * 9 + ["limit", "limit"], epochs=6)
    whole = [(f"{n:04}", fold, 0) for n in range(9) for fold in range(2)]
    # Trial 9 ended at epoch 2 of its second fit, trial 10 with its first. Trial 0 is re-evaluated,
    # and so was trial 10 before the search went on.
    again = [(trial, fold, 1) for trial in ("0000", "0010") for fold in range(2)]
    fits = [*whole, ("0009", 0, 0), ("0009", 1, 0), ("0010", 0, 0), *again]
    lengths = {("0009", 1, 0): 2}
    epochs = [(*fit, epoch) for fit in fits for epoch in range(1, lengths.get(fit, 6) + 1)]
    names = ["trial_id", "fold", "execution", "epoch"]
    history = pd.DataFrame(epochs, columns=names)
    settings = {"training.epochs": 6, "tuner.folds": 2, "tuner.executions_per_trial": 1}
    rows = pd.DataFrame(fits, columns=names[:3])
    data = run_data(table, fits=rows, history=history, settings=settings)
    assert data.behind == {"0010"}
    assert data.completed["trial_id"].tolist()[:3] == ["0009", "0001", "0000"]
    assert data.completed["trial_id"].tolist()[-1] == "0010"
    ended = in_order(data)
    assert ended["cost"].tolist() == [12.0] * 9 + [8.0, 6.0]
    assert best_so_far(data, ended).tolist() == [0.5] + [0.6] * 8 + [0.9] * 2
    assert budget.idle_trials(ended, "max", behind=data.behind) == 1
    (finding,) = training.stopped_early(data.completed, data.epochs, data.planned_fits)
    assert "after 4 epochs of 6 in their last fit on average" in finding.text
    assert any("in their last fit" in finding.text for finding in tell(data).trained)
