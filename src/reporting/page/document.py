"""The whole page: no scripts, no network, one file."""

from collections.abc import Sequence
from datetime import datetime

from src.reporting.drawing import STYLE_SHEET
from src.reporting.page import sections
from src.reporting.page.html import Markup, Node, element, joined
from src.reporting.page.style import PAGE_STYLE
from src.reporting.run_data import RunData
from src.reporting.story import Story

# Whatever a stranger's run may hold: the page loads nothing and runs nothing.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'"


def run_page(data: RunData, story: Story) -> str:
    """Returns the report of one run as HTML."""
    body: list[Node] = [sections.overview(data, story)]
    for title, content in (
        ("Best trials", sections.trials_section(data, story)),
        ("Trade-offs", sections.tradeoffs_section(data)),
        ("Progress", sections.progress_section(data)),
        ("Learning curves", sections.curves_section(data)),
        ("Hyperparameters", sections.space_section(data, story)),
        ("The winner", sections.winner_section(data)),
        ("Time and failures", sections.time_section(data)),
        ("Settings", sections.settings_section(data)),
    ):
        if content:
            body += [element("h2", title), content]
    state = f"{sections.STATES.get(data.state, data.state)}: {data.reason}" if data.reason else ""
    return document(f"{data.run.name}", state, body)


def document(title: str, subtitle: str, body: Sequence[Node]) -> str:
    """Returns a page with its style inside."""
    now = f"{datetime.now():%Y-%m-%d %H:%M}"
    head = joined(
        [
            Markup('<meta charset="utf-8">'),
            Markup(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
            Markup('<meta name="viewport" content="width=device-width,initial-scale=1">'),
            element("title", f"{title} – search report"),
            Markup(f"<style>{PAGE_STYLE}{STYLE_SHEET}</style>"),
        ]
    )
    page = joined(
        [
            element("header", element("h1", title), element("p", subtitle, css="muted")),
            element("main", body),
            element("footer", f"Written {now} by python -m src.report"),
        ]
    )
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{page}</body></html>\n'
