"""Draws every schedule over a training, from the functions themselves, as an SVG picture.

`python -m callbacks.plot_schedules [FILE]` writes it, by default to `callbacks/schedules.svg`. The
picture is text of a few thousand characters: drawing it takes no package.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from callbacks.schedules import SCHEDULES, get_schedule, parameters_of
from callbacks.warm_up import WarmUp

FILE = Path(__file__).with_name("schedules.svg")
POINTS = 200
COLUMNS = 5
WIDTH, HEIGHT, MARGIN, TITLE = 150, 80, 14, 18  # of a panel's axes and around them, in pixels
STYLE = (
    "text{font:12px sans-serif;fill:#666}rect{fill:none;stroke:#999}"
    "path{fill:none;stroke:#e8710a;stroke-width:2}"
)

Curve = tuple[str, Callable[[float], float]]


def curves() -> list[Curve]:
    """Every registered schedule with its default parameters, and both warm-ups, by title."""
    found: list[Curve] = []
    for name in SCHEDULES:
        parameters = {
            parameter: (search.default, *search.more) if search.more else search.default
            for parameter, search in parameters_of(name).items()
        }
        found.append((name, get_schedule(name, parameters)))
    cosine = dict(found)["cosine"]
    found.append(("linear warmup, cosine", WarmUp("linear", 1).before(cosine, 0.2)))
    found.append(("exponential warmup", WarmUp("exponential", 1).before(cosine, 0.2)))
    return found


def picture(shown: Sequence[Curve]) -> str:
    """Returns the SVG: a panel a curve, progress from 0 to 1 across, the factor from 0 to 1 up."""
    rows = -(-len(shown) // COLUMNS)
    size = COLUMNS * (WIDTH + MARGIN) + MARGIN, rows * (HEIGHT + TITLE + MARGIN)
    panels = []
    for index, (title, schedule) in enumerate(shown):
        left = MARGIN + index % COLUMNS * (WIDTH + MARGIN)
        top = TITLE + index // COLUMNS * (HEIGHT + TITLE + MARGIN)
        points = [
            (progress * WIDTH, (1 - schedule(progress)) * HEIGHT)
            for progress in (point / POINTS for point in range(POINTS + 1))
        ]
        line = " ".join(f"{x:g},{y:.1f}" for x, y in points)
        panels.append(
            f'<g transform="translate({left},{top})"><text y="-5">{title}</text>'
            f'<rect width="{WIDTH}" height="{HEIGHT}"/><path d="M{line}"/></g>\n'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]}" height="{size[1]}">\n'
        f"<style>{STYLE}</style>\n{''.join(panels)}</svg>\n"
    )


def main(arguments: Sequence[str]) -> None:
    """Writes the picture to the file that the arguments name."""
    path = Path(arguments[0]) if arguments else FILE
    path.write_text(picture(curves()))
    print(path)


if __name__ == "__main__":
    main(sys.argv[1:])
