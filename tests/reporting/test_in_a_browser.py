"""TensorBoard's pages show the trials, and the report fits: opened in a headless Chromium."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from src.reporting.page.document import run_page
from src.reporting.run_data import read_run
from src.reporting.story import tell
from src.store.run_directory import RunDirectory
from tests.reporting import chromium
from tests.reporting.made_up import make_run
from tests.reporting.test_hparams import Board

pytestmark = pytest.mark.skipif(not chromium.PROGRAM, reason="no Chromium on this machine")

TABS = "everything(document).filter(node => node.tagName == 'PAPER-TAB')"
WORDS = "everything(document).filter(node => !node.children.length).map(n => n.textContent.trim())"
SCATTER = "everything(document).find(n => n.tagName == 'TF-HPARAMS-SCATTER-PLOT-MATRIX-PLOT')"
PLOT = "everything(document).find(node => node.tagName == 'TF-HPARAMS-PARALLEL-COORDS-PLOT')"


def some_fail(values: dict[str, Any]) -> float | None:
    """A third of the trials, about."""
    rate = float(values["learning_rate"])
    return None if rate > 0.006 else 0.9 + rate


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return make_run(
        tmp_path_factory.mktemp("logs"), trials=12, epochs=5, scalars=True, score=some_fail
    )


@pytest.fixture(scope="module")
def trials(run: RunDirectory) -> pd.DataFrame:
    return pd.read_csv(run.trials_table, dtype={"trial_id": str})


@pytest.fixture(scope="module")
def url(run: RunDirectory) -> str:
    return Board(run.tensorboard).url


@pytest.fixture(scope="module")
def browser() -> Iterator[chromium.Chromium]:
    with chromium.Chromium() as opened:
        yield opened


def test_the_table_has_a_row_for_each_trial(
    browser: chromium.Chromium, url: str, trials: pd.DataFrame
) -> None:
    browser.open(f"{url}/#hparams")
    browser.wait_for(f"return {WORDS}.includes('0011')")
    words = browser.value(f"return {WORDS}")
    assert set(trials["trial_id"]) <= set(words)
    assert {"activation", "learning_rate", "score", "val_log_loss", "epochs"} <= set(words)
    first = trials.iloc[0]
    assert f"{first['learning_rate']:#.5g}" in words
    assert f"{first['score']:#.5g}" in words


def test_parallel_coordinates_draw_a_line_for_each_completed_trial(
    browser: chromium.Chromium, url: str, trials: pd.DataFrame
) -> None:
    browser.open(f"{url}/#hparams")
    browser.wait_for(f"return {TABS}.length == 3")
    browser.value(f"{TABS}[1].click()")
    lines = f"everything({PLOT}.shadowRoot).filter(n => n.matches('.foreground path'))"
    completed = int((trials["status"] == "COMPLETED").sum())
    assert 0 < completed < len(trials)
    browser.wait_for(f"return {PLOT} && {lines}.length == {completed}")
    axes = browser.value(
        f"return everything({PLOT}.shadowRoot).filter(n => n.tagName == 'text')"
        ".map(n => n.textContent)"
    )
    assert {"learning_rate", "activation", "score", "parameters"} <= set(axes)


def test_scatter_plots_show_each_completed_trial(
    browser: chromium.Chromium, url: str, trials: pd.DataFrame
) -> None:
    browser.open(f"{url}/#hparams")
    browser.wait_for(f"return {TABS}.length == 3")
    browser.value(f"{TABS}[2].click()")
    inside = f"everything({SCATTER}.shadowRoot)"
    completed = int((trials["status"] == "COMPLETED").sum())
    cells = f"{inside}.filter(n => n.matches('.cell')).length"
    dots = f"{inside}.filter(n => n.matches('circle')).length"
    browser.wait_for(f"return {SCATTER} && {dots} > 0 && {dots} == {completed} * {cells}")
    labels = set(browser.value(f"return {inside}.map(n => n.textContent)"))
    assert {"learning_rate", "activation", "score", "val_log_loss", "parameters"} <= labels


def test_a_scalar_chart_shows_the_last_value_of_a_trial(
    browser: chromium.Chromium, url: str, run: RunDirectory
) -> None:
    history = pd.read_csv(run.history_table, dtype={"trial_id": str})
    last = history[history["trial_id"] == "0000"].iloc[-1]
    browser.open(f"{url}/#timeseries")
    shown = f"{last['val_accuracy']:.4f}".rstrip("0")
    browser.wait_for(f"return document.body && document.body.innerText.includes('{shown}')")
    text = browser.value("return document.body.innerText")
    assert "accuracy/validation" in "".join(c for c in text if c.isprintable())
    assert {"0000", "0011"} <= set(text.split())


@pytest.mark.parametrize(("media", "width"), [("screen", 390), ("print", 720)])
def test_the_report_fits_a_phone_and_paper(
    browser: chromium.Chromium, run: RunDirectory, media: str, width: int
) -> None:
    data = read_run(run)
    run.report.write_text(run_page(data, tell(data)))
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.ask("Emulation.setDeviceMetricsOverride", **size)
    browser.ask("Emulation.setEmulatedMedia", media=media)
    browser.open(run.report.as_uri())
    try:
        assert browser.wait_for("return document.querySelectorAll('svg').length > 10")
        root = "document.documentElement"
        page = browser.value(f"return [{root}.scrollWidth, {root}.clientWidth]")
        assert page[0] == page[1] <= width
        settings = "document.querySelector('details table').checkVisibility"
        shown = browser.value(f"return {settings}({{contentVisibilityAuto: true}})")
        assert shown == (media == "print")  # nobody can unfold paper
        tables = "[...document.querySelectorAll('table')].map(table => table.scrollWidth)"
        if media == "print":
            assert max(browser.value(f"return {tables}")) <= width
    finally:
        browser.ask("Emulation.clearDeviceMetricsOverride")
        browser.ask("Emulation.setEmulatedMedia", media="")
