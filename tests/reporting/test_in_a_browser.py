"""The report fits a phone and paper: opened in a headless Chromium."""

from collections.abc import Iterator

import pytest

from src.reporting.page.document import run_page
from src.reporting.run_data import read_run
from src.reporting.story import tell
from src.store.run_directory import RunDirectory
from tests.reporting import chromium
from tests.reporting.made_up import make_run

pytestmark = pytest.mark.skipif(not chromium.PROGRAM, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return make_run(tmp_path_factory.mktemp("logs"), trials=12, epochs=5)


@pytest.fixture(scope="module")
def browser() -> Iterator[chromium.Chromium]:
    with chromium.Chromium() as opened:
        yield opened


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
