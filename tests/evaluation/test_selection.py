"""Which trial is retrained, and what is said where there is none."""

from pathlib import Path

import pytest

from src.errors import UserError
from src.evaluation.selection import CompletedTrials, choose_trial
from src.store.run_directory import RunDirectory

RUN = RunDirectory(Path("logs/run"))


def test_the_exported_trial_is_taken_or_the_one_with_the_number() -> None:
    trials = CompletedTrials(("0002", "0000"), exported="0000")
    assert choose_trial(RUN, trials, None) == "0000"
    for number in ("2", "0002"):
        assert choose_trial(RUN, trials, number) == "0002"


@pytest.mark.parametrize(
    ("completed", "number", "words"),
    [
        ((), None, ["none of its trials has completed", "src.tune --resume logs/run"]),
        ((), "3", ["none of its trials has completed"]),
        (("0001", "0000"), None, ["its search has not ended", "--trial 0001"]),
        (("0001", "0000"), "7", ["--trial: '7' is no trial that", "best first: 0001, 0000"]),
        (("0000",), "best", ["--trial: 'best' is no trial that has completed"]),
    ],
)
def test_what_to_do_is_told_where_there_is_no_such_trial(
    completed: tuple[str, ...], number: str | None, words: list[str]
) -> None:
    with pytest.raises(UserError) as error:
        choose_trial(RUN, CompletedTrials(completed), number)
    for word in words:
        assert word in str(error.value)
