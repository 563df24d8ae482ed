"""Draws every learning-rate schedule over a training into `callbacks/schedules.svg`."""

from pathlib import Path

import callbacks
from callbacks.schedules import SCHEDULES, WarmUp, get_schedule, parameters_of

FILE = Path(callbacks.__file__).with_name("schedules.svg")
POINTS, COLUMNS = 200, 5
WIDTH, HEIGHT, MARGIN, TITLE = 150, 80, 14, 18  # of a panel's axes and around them, in pixels
STYLE = (
    "text{font:12px sans-serif;fill:#666}rect{fill:none;stroke:#999}"
    "path{fill:none;stroke:#e8710a;stroke-width:2}"
)


def picture() -> str:
    """Returns the SVG: for each schedule, a panel of the factor from 0 to 1 over the progress."""
    curves = {}
    for name in SCHEDULES:
        ranges = parameters_of(name).items()
        values = {n: (r.default, *r.more) if r.more else r.default for n, r in ranges}
        curves[name] = get_schedule(name, values)
    cosine = curves["cosine"]
    warmed = {
        "linear warmup, cosine": WarmUp("linear", 1).before(cosine, 0.2),
        "exponential warmup": WarmUp("exponential", 1).before(cosine, 0.2),
    }
    panels = ""
    for index, (title, curve) in enumerate((curves | warmed).items()):
        left = MARGIN + index % COLUMNS * (WIDTH + MARGIN)
        top = TITLE + index // COLUMNS * (HEIGHT + TITLE + MARGIN)
        steps = [point / POINTS for point in range(POINTS + 1)]
        line = " ".join(f"{x * WIDTH:g},{(1 - curve(x)) * HEIGHT:.1f}" for x in steps)
        panels += (
            f'<g transform="translate({left},{top})"><text y="-5">{title}</text>'
            f'<rect width="{WIDTH}" height="{HEIGHT}"/><path d="M{line}"/></g>\n'
        )
    width = COLUMNS * (WIDTH + MARGIN) + MARGIN
    height = -(-(len(curves) + 2) // COLUMNS) * (HEIGHT + TITLE + MARGIN)
    start = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">'
    return f"{start}\n<style>{STYLE}</style>\n{panels}</svg>\n"


if __name__ == "__main__":
    FILE.write_text(picture())
