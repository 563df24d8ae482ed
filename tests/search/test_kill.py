"""The real command, killed and resumed until its search ends: the same search, to the last file.

`python -m tests.benchmarks.kill` does this a hundred times at random moments.
"""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from src.config import load_config
from src.reporting import report_listeners
from src.search import run
from tests.benchmarks.kill_plan import WORKERS, Kill
from tests.benchmarks.killing import Campaign, Report

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")

KILLS = {
    "random, 2 workers": (
        Kill("group", "in a trial", events=1, delay=0.2, rival=True),
        Kill("parent", "export", events=1, delay=0.2),
    ),
    "hyperband, serial": (
        Kill("SIGHUP", "in a trial", events=2, delay=0.1),
        Kill("SIGINT", "in a trial", events=1, delay=0.1),
    ),
}
SMALL = ("training.epochs=3", "tuner.max_trials=5")


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Report]:
    """All campaigns, two at a time; their twins run here meanwhile."""
    campaigns = [
        Campaign(name, SMALL, kills, tmp_path_factory.mktemp("kill"))
        for name, kills in KILLS.items()
    ]
    with ThreadPoolExecutor(2) as pool:
        tasks = [pool.submit(campaign.run_killed) for campaign in campaigns]
        for campaign in campaigns:
            run(load_config("quick", campaign.twin_settings), listeners=report_listeners())
        for task in tasks:
            task.result()
    for campaign in campaigns:
        campaign.compare()
    return {campaign.report.name: campaign.report for campaign in campaigns}


@pytest.mark.parametrize("name", KILLS)
def test_a_search_that_was_killed_ends_as_if_it_had_not_been(
    reports: dict[str, Report], name: str
) -> None:
    report = reports[name]
    assert report.problems == []
    assert report.trials == 5
    assert Counter(target for target, _ in report.kills) == Counter(
        kill.target for kill in KILLS[name]
    )
    assert report.resumes == sum(target not in WORKERS for target, _ in report.kills)
    assert report.rivals == sum(kill.rival for kill in KILLS[name])


def test_the_kills_were_of_every_kind(reports: dict[str, Report]) -> None:
    kills = [kill for report in reports.values() for kill in report.kills]
    assert {"parent", "group", "SIGINT", "SIGHUP"} == {target for target, _ in kills}
    assert {"in a trial", "export"} <= {phase for _, phase in kills}
