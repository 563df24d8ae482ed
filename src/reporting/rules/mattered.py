"""What mattered and what did not, as far as the forest can tell."""

from src.reporting.analysis.importance import FEWEST, Importance
from src.reporting.rules.finding import Finding, listed

ENOUGH = 30  # trials, below which it is not said that something does not matter


def what_mattered(importance: Importance) -> list[Finding]:
    """Names the hyperparameters that clearly matter; or says why nothing can be said."""
    if importance.r2 is None:
        few = importance.trials < FEWEST
        reason = (
            f"{importance.trials} completed trials are too few (at least {FEWEST})"
            if few
            else "the scores hardly differ, or nothing was searched"
        )
        return [Finding("note", f"What mattered cannot be said: {reason}.")]
    fit = f"R² {importance.r2:.2f} on trials not seen"
    if not importance.trusted:
        return [
            Finding(
                "note",
                "What mattered cannot be said: a forest does not predict the scores from the "
                f"hyperparameters ({fit}). Within these ranges they matter little, or it takes "
                "more trials.",
            )
        ]
    clear = [name for name in importance.share if importance.matters(name)]
    if not clear:
        text = (
            f"No single hyperparameter stands out, though together they predict the score ({fit})."
        )
        return [Finding("note", text)]
    first = f"`{clear[0]}` mattered most"
    rest = f", then {listed(clear[1:])}" if len(clear) > 1 else ", the others little or unclearly"
    return [Finding("good", f"{first}{rest} ({fit}).")]


def what_did_not(importance: Importance) -> list[Finding]:
    """Names those that clearly do not, which need enough trials and a good fit."""
    idle = [name for name in importance.share if importance.is_idle(name)]
    if importance.trials < ENOUGH or not idle:
        return []
    text = f"{listed(idle)} made no difference that can be seen; pin what is simplest."
    return [Finding("note", text)]
