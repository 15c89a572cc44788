"""`Idempotency-Key` as Stripe v1 has it: the first answer again, for 24 hours of virtual time."""

import hashlib
import json
import threading
from typing import Any

from sandbox import errors
from sandbox.store import Obj, Store

LIFETIME = 24 * 3600
LONGEST_KEY = 255


class Keys:
    """The keys that are answered (in the store) and those whose request still runs (in memory)."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._running: set[str] = set()

    def begin(self, key: str, address: str, params: dict[str, Any]) -> Obj | None:
        """Claim a key, or give the answer it already has; raise for other parameters and for a request that runs."""
        if len(key) > LONGEST_KEY:
            raise errors.StripeError(f"Idempotency key is too long: at most {LONGEST_KEY} letters.", stored=False)
        with self._lock:
            if key in self._running:
                raise _in_use(key)
            known = self._store.lookup(_id(key))
            if known is None or self._store.now() - known["at"] >= LIFETIME:
                self._running.add(key)
                return None
        if known["address"] != address:
            raise _elsewhere(key, known["address"], address)
        if known["request"] != _fingerprint(address, params):
            raise _differs(key)
        return known

    def end(self, key: str) -> None:
        """Let the key go; an answer that was not kept may be tried again."""
        with self._lock:
            self._running.discard(key)

    def keep(self, key: str, address: str, params: dict[str, Any], status: int, body: Obj) -> None:
        """Store the answer under the key; within the request's transaction, so that work and answer stand together."""
        answer = {"status": status, "body": body, "at": self._store.now()}
        request = {"address": address, "request": _fingerprint(address, params)}
        self._store.put({"id": _id(key), "object": "_idempotency"} | answer | request)


def _id(key: str) -> str:
    return f"_idempotency_{hashlib.sha256(key.encode()).hexdigest()}"


def _fingerprint(address: str, params: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps([address, params], sort_keys=True).encode()).hexdigest()


def _in_use(key: str) -> errors.StripeError:
    message = (
        f"There is currently another in-progress request using this Idempotent Key ({key}); "
        "please wait for it to finish and try again."
    )
    return errors.StripeError(
        message, status=409, type="idempotency_error", code="idempotency_key_in_use", stored=False
    )


def _differs(key: str) -> errors.StripeError:
    message = (
        f"Keys for idempotent requests can only be used with the same parameters they were first used with. "
        f"Try using a key other than '{key}' if you meant to execute a different request."
    )
    return errors.StripeError(message, type="idempotency_error", stored=False)


def _elsewhere(key: str, first: str, second: str) -> errors.StripeError:
    message = (
        "Keys for idempotent requests can only be used for the same endpoint they were first used for "
        f"('{second}' vs '{first}'). Try using a key other than '{key}' if you meant to execute a different request."
    )
    return errors.StripeError(message, type="idempotency_error", stored=False)
