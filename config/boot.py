"""No server starts with a lock that does not lock.

`manage.py` runs the checks by itself; granian and Celery do not, so the modules that they load ask here.
"""

from __future__ import annotations

import gc
import sys

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured


def refuse_unsafe() -> None:
    """Raise ImproperlyConfigured when a security check finds an error; warnings are said and no more."""
    found = checks.run_checks(tags=[checks.Tags.security])
    errors = [f"{message.msg} ({message.id})" for message in found if message.level >= checks.ERROR]
    if errors:
        raise ImproperlyConfigured(" ".join(errors))
    if settings.AUTH_INSECURE_DEV:
        print(f"{'!' * 100}\nAUTH_INSECURE_DEV is on: anybody is whoever he says.\n{'!' * 100}", file=sys.stderr)


def keep_what_is_loaded() -> None:
    """Let the garbage collector pass over what was loaded: it stays, and to look it all through takes 50 ms."""
    gc.collect()
    gc.freeze()
    # A request makes more things than the usual 700 before it is answered: looked for in between, none is garbage yet.
    gc.set_threshold(10_000, 10, 10)
