"""What the reader sees: a tick a line with its time; a spinner and colours on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from proof.lines import Figure, Line, Outcome, State, Table

INDENT = 7
TITLE = 92
# A log or a pipe has no width of its own; 80 letters would break tables.
WIDTH = 150
SIGNS = {State.HOLDS: ("✓", "ok", "green"), State.FAILED: ("✗", "x", "red"), State.NOT_RUN: ("-", "-", "yellow")}


class Screen:
    """Where the lines are shown."""

    def __init__(self, console: Console | None = None):
        self._console = console or Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)

    @contextmanager
    def working(self, line: Line) -> Iterator[None]:
        """Show which line is at work, on a terminal."""
        waiting = self._console.status(f"{line.number} {line.title}") if self._console.is_terminal else nullcontext()
        with waiting:
            yield

    def say(self, text: str, style: str = "") -> None:
        """Show a sentence."""
        self._console.print(Text(text, style=style))

    def show(self, outcome: Outcome) -> None:
        """Show what became of a line: its tick, its figures, and why it failed."""
        tick, plain, colour = SIGNS[outcome.state]
        sign = tick if self._console.is_terminal else plain
        line, spent = outcome.line, f"{outcome.seconds * 1000:8.0f} ms"
        self._console.print(
            Text.assemble((f"{sign:<3}", colour), (f"{line.number:>2}  {line.title:<{TITLE}}", "bold"), (spent, "cyan"))
        )
        for figure in outcome.figures:
            self._indented(_shown(figure))
        if outcome.why:
            self._indented(Text(outcome.why, style=colour))

    def _indented(self, shown: Text | RichTable) -> None:
        self._console.print(Padding(shown, (0, 0, 0, INDENT), expand=False))


def _shown(figure: Figure) -> Text | RichTable:
    if not isinstance(figure, Table):
        return Text(figure)
    table = RichTable(*figure.header, box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for row in figure.rows:
        table.add_row(*row)
    return table
