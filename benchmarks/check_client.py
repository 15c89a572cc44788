"""How long a check takes that the client remembers: python -m benchmarks.check_client"""

from __future__ import annotations

import json
import os
from timeit import repeat

from benchmarks.check_seeds import user
from farebox_client import Farebox

TIMES = 100_000


def main() -> None:
    """Ask once over HTTP, and then from memory."""
    with Farebox(os.environ["FAREBOX_URL"], os.environ["FAREBOX_TOKEN"]) as farebox:
        if not farebox.check(user(1), "export").allowed:
            raise RuntimeError("a wrong answer")
        best = min(repeat(lambda: farebox.check("user-00000001", "export"), number=TIMES, repeat=5))
    print(json.dumps({"us": best / TIMES * 1e6}))


if __name__ == "__main__":
    main()
