"""The real command, killed and resumed until its search ends: the same search, to the last file.

`python -m tests.benchmarks.kill` does this a hundred times at random moments.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from src.config import load_config
from src.search import run
from tests.benchmarks.kill_plan import WORKERS, Kill
from tests.benchmarks.killing import Campaign
from tests.conftest import report_listeners
from tests.selection import slow_but

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


@pytest.mark.parametrize("name", slow_but(KILLS, ["random, 2 workers"]))
def test_a_search_that_was_killed_ends_as_if_it_had_not_been(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    kills = KILLS[name]
    # Of a short name: below a longer one, sockets would lie in folders that a kill leaves behind.
    campaign = Campaign(name, SMALL, kills, tmp_path_factory.mktemp("kill"))
    with ThreadPoolExecutor(1) as pool:  # its twin runs here meanwhile
        task = pool.submit(campaign.run_killed)
        run(load_config("quick", campaign.twin_settings), listeners=report_listeners())
        task.result()
    campaign.compare()
    report = campaign.report
    assert report.problems == []
    assert report.trials == 5
    assert [target for target, _ in report.kills] == [kill.target for kill in kills]
    assert report.resumes == sum(kill.target not in WORKERS for kill in kills)
    assert report.rivals == sum(kill.rival for kill in kills)
