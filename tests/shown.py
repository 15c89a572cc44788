"""What the tests have shown in figures: one line each, printed when the run ends."""

from __future__ import annotations

from collections.abc import Callable

import pytest

LINES: list[str] = []
Shown = Callable[[str], None]


@pytest.fixture
def shown() -> Shown:
    """Let a test put down its figures, such as `shown("60 bad tokens x 27 operations = 1620 refusals, 0 queries")`."""
    return LINES.append


def report(terminal: pytest.TerminalReporter) -> None:
    """Print what was shown; pytest calls it at the end of the run, by tests/conftest.py."""
    if LINES:
        terminal.section("shown")
    for line in LINES:
        terminal.write_line(f"shown: {line}")
