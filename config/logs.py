"""One JSON line for each thing worth knowing. A line holds the fields below and no other; values that came in with a
request, a row or an error are not among them.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
from collections import deque
from functools import cache
from typing import Any

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from events import context
from vault import faults

# Every field that a line may hold. Whatever else a caller names is dropped, and counted in `dropped`.
FIELDS = {
    "INSECURE",
    "actor",
    "attempts",
    "caller",
    "code",
    "count",
    "duration_ms",
    "exception",
    "level",
    "logger",
    "message",
    "method",
    "reason",
    "request_id",
    "route",
    "stripe_id",
    "task",
    "timestamp",
    "type",
    "user_id",
}
# Fields of one short word or two: a sentence there would be somebody's text.
WORDS = {"reason", "type", "task", "stripe_id", "code"}
WORD = re.compile(r"[A-Za-z0-9_.:/ -]{0,100}")
# Libraries whose lines without arguments are fixed texts about processes.
PLAIN_SPOKEN = ("_granian", "granian", "celery.beat", "celery.worker", "kombu")
WITHHELD = "(withheld: it is not known to be free of values)"


def _who(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    line.setdefault("request_id", context.request_id.get())
    line.setdefault("actor", context.actor.get())
    return line


def _insecure(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Say in each line that anybody is whoever he says, where a developer has asked for it."""
    line["INSECURE"] = "AUTH_INSECURE_DEV"
    return line


def _of_a_library(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Keep of a library's line its logger and its text before the arguments: they are values."""
    record: logging.LogRecord = line["_record"]
    line["logger"] = record.name
    if not line.pop("positional_args") and not record.name.startswith(PLAIN_SPOKEN):
        line["event"] = WITHHELD
    return line


def _error(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Tell an error by class, code and place."""
    found = line.pop("exc_info", None)
    line.pop("stack_info", None)
    if found is True:
        found = sys.exc_info()
    error = found[1] if isinstance(found, tuple) else found
    if isinstance(error, BaseException):
        line["exception"] = faults.traced(error)
    return line


def _named_as_asked(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Use the field names that the services before used: message and caller (requirements.md, OB-04)."""
    line["message"] = line.pop("event", "")
    module, number = line.pop("module", ""), line.pop("lineno", "")
    line["caller"] = f"{module}:{number}"
    return line


def _only_known(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Drop every field that is not on the list, and every word that is a sentence."""
    kept = {name: value for name, value in line.items() if name in FIELDS and _harmless(name, value)}
    dropped = len(line) - len(kept)
    return {**kept, "dropped": dropped} if dropped else kept


def _harmless(name: str, value: Any) -> bool:
    return name not in WORDS or not isinstance(value, str) or bool(WORD.fullmatch(value))


SHARED: list[Processor] = [
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.CallsiteParameterAdder(
        [structlog.processors.CallsiteParameter.MODULE, structlog.processors.CallsiteParameter.LINENO]
    ),
    _who,
]


_named = cache(logging.getLogger)
_waiting: deque[str] = deque()
_writing = threading.Lock()
# The one who wrote when the process was copied is not there to go on.
os.register_at_fork(after_in_child=lambda: globals().update(_waiting=deque(), _writing=threading.Lock()))


def write(logger: str, lines: str) -> None:
    """Write lines of level INFO as the handlers would, where their way takes longer than the work they tell of.

    Each is JSON with fields of FIELDS in their order, `message` and `caller` last; only what is known to be harmless.
    Whoever comes while another writes leaves his lines to him.
    """
    if not _named(logger).isEnabledFor(logging.INFO):
        return
    _waiting.append(lines)
    while _waiting and _writing.acquire(blocking=False):
        try:
            _tell("".join(_waiting.popleft() for _ in range(len(_waiting))))
        finally:
            _writing.release()


def _tell(lines: str) -> None:
    for handler in logging.root.handlers:
        # One that writes to a file has no stream before its first line and after its last.
        if isinstance(handler, logging.StreamHandler) and handler.stream is not None:
            try:
                with handler.lock:  # type: ignore[union-attr]
                    handler.stream.write(lines)
                    handler.flush()
            except (OSError, ValueError):
                # No request fails because nobody reads its line.
                handler.handleError(logging.makeLogRecord({"msg": "A line could not be written."}))


def configuration(level: str, *, insecure: bool = False) -> dict[str, Any]:
    """Return Django's LOGGING: structlog's lines and every library's, in one format, to standard output."""
    shared = [*SHARED, _insecure] if insecure else SHARED
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": structlog.stdlib.ProcessorFormatter,
                "use_get_message": False,
                "pass_foreign_args": True,
                "foreign_pre_chain": [*shared, _of_a_library],
                "processors": [
                    _error,
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    _named_as_asked,
                    _only_known,
                    structlog.processors.JSONRenderer(),
                ],
            }
        },
        "handlers": {"stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "json"}},
        "root": {"handlers": ["stdout"], "level": level},
        "loggers": {
            "stripe": {"level": "WARNING"},
            "httpx": {"level": "WARNING"},
            # An answer of 4xx has its line already; a fault of ours is told here, with where it rose.
            "django.request": {"level": "ERROR"},
            "django.security.DisallowedHost": {"level": "ERROR"},
        },
    }
