"""What the reader sees: one line a step with its seconds; a spinner on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

WIDTH = 66


@dataclass(slots=True)
class Step:
    """One step under way; `says` is shown behind its title."""

    title: str
    says: str = ""


class Progress:
    """The steps of one command, and how long each group of them took."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, title: str, *, group: str) -> Iterator[Step]:
        """Show that this is being done, then that it is done, with its seconds."""
        step, began = Step(title), time.monotonic()
        with self.console.status(f"{title} ...") if self.console.is_terminal else nullcontext():
            try:
                yield step
            except BaseException:
                self._line("x", "red", step, time.monotonic() - began)
                raise
        self.done(step, group=group, seconds=time.monotonic() - began)

    def done(self, step: Step, *, group: str, seconds: float) -> None:
        """Show a step that was done, and count its seconds."""
        self.seconds[group] = self.seconds.get(group, 0.0) + seconds
        self._line("ok" if not self.console.is_terminal else "✓", "green", step, seconds)

    def say(self, line: str = "") -> None:
        """Show a line as it is."""
        self.console.print(Text(line))

    def _line(self, sign: str, colour: str, step: Step, seconds: float) -> None:
        words = f"{step.title}: {step.says}" if step.says else step.title
        self.console.print(Text.assemble((f"{sign:<3}", colour), f"{words:<{WIDTH}} {seconds:6.1f} s"))
