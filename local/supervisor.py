"""Run the Procfile with honcho: a log file a process, each process with its mark. When one ends, all end."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import BinaryIO

from honcho.environ import parse_procfile
from honcho.manager import Manager
from honcho.printer import Message, Printer

from local.home import PART, Home


class Logs(Printer):  # type: ignore[misc]  # honcho has no types
    """honcho's printer, with a file for each process."""

    def __init__(self, folder: Path) -> None:
        super().__init__(sys.stdout, colour=False)
        self.folder = folder
        self.opened: dict[str, BinaryIO] = {}

    def write(self, message: Message) -> None:
        """Write a line of one process to its file, and honcho's own lines to the supervisor's."""
        if message.name not in self.opened:
            self.opened[message.name] = (self.folder / f"{message.name}.log").open("ab", buffering=0)
        line = message.data if isinstance(message.data, bytes) else message.data.encode()
        self.opened[message.name].write(line)


def main(root: Path, left_out: list[str]) -> None:
    """Start every process of the Procfile but those left out, and stay until all have ended."""
    home = Home(root)
    manager = Manager(Logs(home.logs))
    for name, command in parse_procfile((root / "Procfile").read_text()).processes.items():
        if name not in left_out:
            manager.add_process(name, command, cwd=str(root), env={**os.environ, PART: name})
    manager.loop()
    sys.exit(manager.returncode)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
