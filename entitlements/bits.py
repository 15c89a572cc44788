"""Numbers, moments and texts in as few bytes as they need."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from os.path import commonprefix
from uuid import UUID

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class Writer:
    """Writes one thing after the other."""

    def __init__(self) -> None:
        self._out = bytearray()

    def packet(self) -> bytes:
        """Return what was written."""
        return bytes(self._out)

    def raw(self, bits: bytes) -> None:
        """Write bytes whose number the reader knows."""
        self._out += bits

    def number(self, number: int) -> None:
        """Write a number from 0 on: seven bits a byte, the lowest first."""
        while number > 127:
            self._out.append(number & 127 | 128)
            number >>= 7
        self._out.append(number)

    def moment(self, moment: int, since: int = 0) -> None:
        """Write a moment by its distance from another, before or behind it; both are microseconds since 1970."""
        ticks = moment - since
        self.number(ticks << 1 if ticks >= 0 else (-ticks << 1) - 1)

    def text(self, text: str) -> None:
        """Write a text of any length."""
        bits = text.encode("utf-8", "surrogatepass")
        self.number(len(bits))
        self._out += bits

    def word(self, word: str, known: Sequence[str]) -> None:
        """Write a word by its place among the known ones, or as it is."""
        place = known.index(word) + 1 if word in known else 0
        self.number(place)
        if not place:
            self.text(word)

    def ids(self, ids: Sequence[bytes]) -> None:
        """Write ids: what they begin with alike is written once."""
        prefix = bytes(commonprefix(ids) or b"")
        self.number(len(ids))
        self.number(len(prefix))
        self._out += prefix
        for each in ids:
            self._out += each[len(prefix) :]


class Reader:
    """Reads what a Writer wrote, in the same order."""

    __slots__ = ("_packet", "at")

    def __init__(self, packet: bytes, at: int = 0) -> None:
        self._packet, self.at = packet, at

    def raw(self, count: int) -> bytes:
        """Read so many bytes."""
        self.at += count
        return self._packet[self.at - count : self.at]

    def number(self) -> int:
        """Read a number."""
        packet, at, number, shift = self._packet, self.at, 0, 0
        while (byte := packet[at]) > 127:
            number |= (byte & 127) << shift
            shift += 7
            at += 1
        self.at = at + 1
        return number | byte << shift

    def moment(self, since: datetime = BEGINNING) -> datetime:
        """Read a moment."""
        number = self.number()
        ticks = -((number + 1) >> 1) if number & 1 else number >> 1
        return since + timedelta(microseconds=ticks)

    def text(self) -> str:
        """Read a text."""
        return self.raw(self.number()).decode("utf-8", "surrogatepass")

    def word(self, known: Sequence[str]) -> str:
        """Read a word."""
        place = self.number()
        return known[place - 1] if place else self.text()

    def ids(self) -> list[UUID]:
        """Read ids."""
        return [UUID(bytes=each) for each in self.raw_ids()]

    def raw_ids(self) -> list[bytes]:
        """Read ids, as bytes."""
        count, shared = self.number(), self.number()
        prefix = self.raw(shared)
        return [prefix + self.raw(16 - shared) for _each in range(count)]

    def rest(self) -> bytes:
        """Read all that is left."""
        return self._packet[self.at :]
