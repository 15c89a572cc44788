"""Units that are held while something is done that may fail."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import Any

from farebox_client.answers import moment
from farebox_client.errors import FareboxError, Refused
from farebox_client.keeping import Kept
from farebox_client.sending import Line, Patience


class Reservation:
    """Used as `with`, what was not committed is given back when the block is left."""

    def __init__(self, line: Line, patience: Patience, kept: Kept, user_id: str, said: Mapping[str, Any]):
        self._line, self._patience, self._kept = line, patience, kept
        self.user_id = user_id
        self.id = str(said["id"])
        self.expires_at: datetime | None = moment(said.get("expires_at"))
        self.status = str(said["status"])
        self._commit_is_open = False

    def commit(self, units: int | None = None) -> None:
        """Use the held units, or so many of them; the rest is given back. May be repeated.

        Raises Refused and Unreachable. When it is not known whether it arrived, leaving the block gives nothing back:
        what was used would not be counted. Commit again, or it ends by itself.
        """
        self._commit_is_open = True
        try:
            self._end("commit", {} if units is None else {"units": units})
        except Refused as error:
            self._commit_is_open = error.is_passing
            raise

    def release(self) -> None:
        """Give the held units back. May be repeated. Raises Refused."""
        self._end("release", {})

    def _end(self, verb: str, said: Mapping[str, Any]) -> None:
        path = f"usage/reservations/{self.id}/{verb}"
        # The reservation's own id is the key: it ends once.
        try:
            reply = self._line.send(path, said, key=f"{self.id}-{verb}", patience=self._patience)
        finally:
            self._kept.forget(self.user_id)
        self.status = str(reply.body["status"])

    def __enter__(self) -> Reservation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.status == "held" and not self._commit_is_open:
            # What cannot be given back now comes back by itself at its end.
            with suppress(FareboxError):
                self.release()
