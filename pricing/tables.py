"""Show on a terminal what a seed did: a table of what differs, and one line of sums."""

from __future__ import annotations

from collections import Counter
from typing import TextIO, cast

from django.core.management.base import OutputWrapper
from rich.console import Console
from rich.table import Table

from pricing.seeding import Line

COLOURS = {"added": "green", "changed": "yellow", "kept": "magenta", "unchanged": "dim"}
# The first seed adds every country of the world: the sum says that better than 250 lines.
MOST_ADDED = 40


def show(title: str, lines: list[Line], *, dry_run: bool, out: OutputWrapper) -> None:
    """Write the table and the sums to `out`; a dry run says that nothing was written."""
    # OutputWrapper hands everything on to its stream, which its type does not tell.
    console = Console(file=cast(TextIO, out), highlight=False, soft_wrap=True)
    sums = Counter(line.kind for line in lines)
    hidden = {"unchanged", "added"} if sums["added"] > MOST_ADDED else {"unchanged"}
    differing = [line for line in lines if line.kind not in hidden]
    if differing:
        table = Table("", "row", "", "what differs", title=title, title_justify="left")
        for line in differing:
            table.add_row(line.what, line.key, f"[{COLOURS[line.kind]}]{line.kind}[/]", line.detail)
        console.print(table)
    told = ", ".join(f"{sums[kind]} {kind}" for kind in COLOURS)
    console.print(f"{title}: {told}{' (dry run: nothing was written)' if dry_run else ''}")
    if sums["kept"]:
        console.print("Kept rows were changed by staff after the last seed; --force takes them back.")
