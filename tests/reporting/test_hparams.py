"""TensorBoard shows what it should: asked through its own HTTP API, as its pages ask."""

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from tensorboard import default, program

from src.config import load_config
from src.search import run
from src.search.workflow import SearchOutcome
from tests.conftest import TINY, report_listeners
from tests.quick_search import FAILING, fake, make_quick, resume, search  # noqa: F401
from tests.reporting.made_up import rehearse_nothing

CHOICES = ("space.activation=[relu, tanh]", "space.optimizer=[adam, nesterov]")
STATUSES = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]


class Board:
    """A TensorBoard on loopback that loads a folder once."""

    def __init__(self, folder: Path) -> None:
        server = program.TensorBoard(default.get_plugins())
        server.configure(
            [
                *(None, "--logdir", str(folder), "--port", "0", "--host", "127.0.0.1"),
                *("--load_fast", "false", "--reload_interval", "0", "--reload_task", "blocking"),
            ]
        )
        self.url: str = server.launch().rstrip("/")

    def get(self, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers)
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)

    def experiment(self) -> Any:
        return self.get(
            "/data/plugin/hparams/experiment", {"experimentName": "", "hparamsLimit": 0}
        )

    def rows(self) -> dict[str, dict[str, Any]]:
        experiment = self.experiment()
        columns = [
            {"metric": m["name"], "includeInResult": True} for m in experiment["metricInfos"]
        ]
        columns += [{"hparam": h["name"]} for h in experiment["hparamInfos"]]
        answer = self.get(
            "/data/plugin/hparams/session_groups",
            {"experimentName": "", "allowedStatuses": STATUSES, "colParams": columns}
            | {"startIndex": 0, "sliceSize": 1000},
        )
        return {group["name"]: group for group in answer["sessionGroups"]}


def metric_values(row: dict[str, Any]) -> dict[str, float]:
    return {metric["name"]["tag"]: metric["value"] for metric in row["metricValues"]}


@pytest.fixture(scope="module")
def random_search(tmp_path_factory: pytest.TempPathFactory) -> SearchOutcome:
    with pytest.MonkeyPatch.context() as patch:
        make_quick(patch)
        rehearse_nothing(patch)
        folder, board = tmp_path_factory.mktemp("logs"), report_listeners()[-1:]
        return search(folder, "tuner.max_trials=5", *CHOICES, listeners=board)


@pytest.fixture(scope="module")
def board(random_search: SearchOutcome) -> Board:
    return Board(random_search.run.tensorboard)


def test_hparams_has_a_row_for_each_trial_with_its_score_and_its_hyperparameters(
    random_search: SearchOutcome, board: Board
) -> None:
    rows = board.rows()
    records = {record.spec.trial_id: record for record in random_search.progress.records}
    assert set(rows) == set(records)
    for trial_id, record in records.items():
        row, result = rows[trial_id], record.result
        assert row["hparams"] == record.spec.values
        session = row["sessions"][0]
        if trial_id == FAILING:
            assert session["status"] == "STATUS_FAILURE"
            assert not row["metricValues"]
            continue
        assert session["status"] == "STATUS_SUCCESS"
        shown = metric_values(row)
        assert shown["score"] == pytest.approx(result.score)
        assert shown["best_epoch/val_log_loss"] == pytest.approx(result.metrics["val_log_loss"])
        assert shown["epochs"] == result.epochs
        assert shown["parameters"] == result.parameters
    winner = random_search.winner
    assert winner is not None
    tested = {name for name, row in rows.items() if "test/accuracy" in metric_values(row)}
    assert tested == {winner.record.spec.trial_id}
    shown = metric_values(rows[winner.record.spec.trial_id])
    assert shown["test/accuracy"] == pytest.approx(winner.test["accuracy"])


def test_the_root_has_best_scores_texts_and_the_reports_plots(
    random_search: SearchOutcome, board: Board
) -> None:
    records = random_search.progress.records
    scores = [record.result.score or 0.0 for record in records]
    best = [max(scores[: ended + 1]) for ended in range(len(scores))]
    scalars = "/data/plugin/scalars/scalars?run=.&tag=best_score/by_"
    by_trials, by_epochs = board.get(scalars + "trials"), board.get(scalars + "epochs")
    assert [value for _, _, value in by_trials] == pytest.approx(best)
    assert [step for _, step, _ in by_trials] == [1, 2, 3, 4, 5]
    assert by_epochs[-1][1] == sum(len(record.result.history) for record in records)
    for tag, part in (
        ("configuration", "activation"),
        ("space", "<td>units</td>"),
        ("stopped", "all 5 trials are done"),
    ):
        assert part in board.get(f"/data/plugin/text/text?run=.&tag={tag}")[0]["text"]
    tags = set(board.get("/data/plugin/images/tags")["."])
    assert {"best_by_trial", "curves_objective", "parallel_coordinates"} <= tags
    (image,) = board.get("/data/plugin/images/images?run=.&tag=best_by_trial&sample=0")
    url = f"{board.url}/data/plugin/images/individualImage?{image['query']}"
    with urllib.request.urlopen(url, timeout=10) as response:
        assert response.read().startswith(b"\x89PNG")


def test_hparams_has_the_true_ranges_and_those_searched_come_first(board: Board) -> None:
    metrics = [info["displayName"] for info in board.experiment()["metricInfos"]]
    assert metrics[:5] == ["score", "val_log_loss", "epochs", "seconds", "parameters"]
    infos = board.experiment()["hparamInfos"]
    domains = {info["name"]: info.get("domainInterval") or info["domainDiscrete"] for info in infos}
    assert domains["units"] == {"minValue": 4.0, "maxValue": 4000.0}
    assert domains["learning_rate"] == {"minValue": 3e-4, "maxValue": 3e-2}
    assert sorted(domains["activation"]) == ["relu", "tanh"]
    assert domains["initializer"] == ["he_normal"]
    assert domains["momentum"] == {"minValue": 0.5, "maxValue": 0.99}  # active for nesterov
    assert "loss_function" not in domains
    searched = [info["name"] for info in infos if info.get("differs")]
    assert [info["name"] for info in infos][: len(searched)] == searched
    assert {"units", "activation"} <= set(searched)
    assert "initializer" not in searched


def test_hyperband_has_one_row_for_each_root_and_one_curve_over_all_rungs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rehearse_nothing(monkeypatch)
    monkeypatch.setattr("src.reporting.board.plots", lambda *_: {})
    pins = ("units=8", "activation=relu", "optimizer=adam", "batch_size=32", "normalization=none")
    config = load_config(
        "quick",
        [
            *(*TINY, f"run.directory={tmp_path}", "tuner.name=hyperband", "tuner.max_trials=3"),
            *("training.epochs=2", "tuner.factor=2", "space.early_stopping_patience=0"),
            *(f"space.{pin}" for pin in pins),  # all trials share a graph
        ],
    )
    outcome = run(config, listeners=report_listeners())
    records = outcome.progress.records
    roots = {record.spec.root_id for record in records}
    assert len(roots) < len(records)
    board = Board(outcome.run.tensorboard)
    names = [info["displayName"] for info in board.experiment()["metricInfos"]]
    assert names[-3:] == ["bracket", "last rung", "test score"]
    rows = board.rows()
    assert set(rows) == roots
    assert {row["sessions"][0]["status"] for row in rows.values()} == {"STATUS_SUCCESS"}
    last = {record.spec.root_id: record for record in records}  # the furthest rung of each root
    for root_id, record in last.items():
        shown = metric_values(rows[root_id])
        assert shown["score"] == pytest.approx(record.result.score)
        assert (shown["bracket"], shown["rung"]) == (record.spec.bracket, record.spec.rung)
        chain = [r.result.seconds for r in records if r.spec.root_id == root_id]
        assert shown["seconds"] == pytest.approx(sum(chain), rel=1e-4)
        scalars = board.get(f"/data/plugin/scalars/scalars?run={root_id}&tag=loss/train")
        assert [step for _, step, _ in scalars] == list(range(1, record.result.epochs + 1))


@pytest.mark.usefixtures("fake")
def test_a_reevaluated_trial_of_folds_is_one_row_with_the_mean(tmp_path: Path) -> None:
    again = ("tuner.reevaluate.trials=1", "tuner.reevaluate.executions=1", "tuner.folds=2")
    record = search(tmp_path, "tuner.max_trials=3", *CHOICES, *again).progress.best
    assert record is not None
    resume(tmp_path)  # writes all anew
    board = Board(tmp_path / "run" / "tensorboard")
    names = [metric["displayName"] for metric in board.experiment()["metricInfos"]]
    assert names[:2] == ["score", "reevaluated"]
    rows = {name: metric_values(row) for name, row in board.rows().items()}
    assert set(rows) == {"0000", "0001", "0002"}
    assert rows[record.spec.trial_id]["reevaluated"] == pytest.approx(record.reevaluated_score)
    assert sum("reevaluated" in row for row in rows.values()) == 1
