"""Ask the web process of this container whether it is ready: exit code 0 or 1."""

import os
import sys
import urllib.request


def is_ready(port: str, host: str) -> bool:
    """Ask /readyz under a name that ALLOWED_HOSTS lets in."""
    asked = urllib.request.Request(f"http://127.0.0.1:{port}/readyz", headers={"Host": host})  # noqa: S310
    try:
        with urllib.request.urlopen(asked, timeout=4) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except OSError:
        return False


if __name__ == "__main__":
    first = os.environ.get("ALLOWED_HOSTS", "").split(",")[0].strip().lstrip(".")
    sys.exit(not is_ready(os.environ.get("PORT", "9097"), first if first not in ("", "*") else "127.0.0.1"))
