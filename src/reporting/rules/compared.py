"""What several runs say together."""

from collections.abc import Sequence

from src.reporting.analysis.noise import Noise
from src.reporting.rules.finding import Finding, listed
from src.reporting.run_data import RunData
from src.reporting.text import number

SPLIT = ("seed", "data.validation_fraction", "data.test_fraction", "data.group", "tuner.folds")


def compared(runs: Sequence[RunData], noises: Sequence[Noise | None]) -> list[Finding]:
    """Which run found the best trial, by how much, and whether they may be compared at all.

    Args:
        runs: at least one.
        noises: of their scores.
    """
    if len({(run.objective, run.direction) for run in runs}) > 1:
        text = "The runs have different objectives: their scores cannot be compared."
        return [Finding("warning", text)]
    found = []
    if len({run.fingerprint for run in runs if run.fingerprint}) > 1:
        text = "The runs have different rows: a better score may come from easier rows."
        found.append(Finding("warning", text))
    elif others := [key for key in SPLIT if len({str(run.settings.get(key)) for run in runs}) > 1]:
        text = (
            f"The rows were split otherwise ({listed(others)}): the scores come from other "
            "validation rows, and chance makes more than is said here."
        )
        found.append(Finding("note", text))
    scored = [(run, noise) for run, noise in zip(runs, noises, strict=True) if run.best is not None]
    if len(scored) < 2:
        return found
    sign = runs[0].sign
    scored.sort(key=lambda pair: -sign * float(pair[0].best["score"]))  # type: ignore[index]
    (first, noise), (second, _) = scored[:2]
    assert first.best is not None
    assert second.best is not None
    ahead = sign * (float(first.best["score"]) - float(second.best["score"]))
    text = (
        f"`{first.run.name}` found the best {first.objective}, "
        f"{number(float(first.best['score']))}, ahead of `{second.run.name}` by {number(ahead, 2)}"
    )
    if noise is None:
        return [*found, Finding("note", f"{text}; how much chance makes is not known.")]
    if ahead > noise.difference:
        return [
            *found,
            Finding("good", f"{text}, more than chance ({number(noise.difference, 2)})."),
        ]
    text += f", no more than chance ({number(noise.difference, 2)}, {noise.source})."
    return [*found, Finding("note", text)]
