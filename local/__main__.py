"""Run one command of `./farebox`."""

from __future__ import annotations

import sys
from pathlib import Path

from local import commands, supply
from local.home import Home
from local.trouble import Trouble

COMMANDS = {
    "up": commands.up,
    "test": commands.test,
    "using": commands.using,
    "fuzz": commands.fuzz,
    "prove": commands.prove,
    "logs": commands.logs,
    "down": commands.down,
    "clean": commands.clean,
    "audit": supply.audit,
    "sbom": supply.sbom,
}


def main() -> int:
    """Run the named command; its exit code is ours."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal without UTF-8 shows a question mark and goes on.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    name, *arguments = sys.argv[1:] or ["help"]
    if name not in COMMANDS:
        print(f"./farebox {' | '.join(COMMANDS)}", file=sys.stderr)
        return 2
    try:
        return COMMANDS[name](Home(Path.cwd()), arguments)
    except Trouble as trouble:
        print(f"\n{trouble}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. ./farebox up goes on from here; ./farebox down ends what runs.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
