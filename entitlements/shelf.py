"""What processes share of users in Valkey: a packet each, the shapes that packets name, and who tells of a change.

An older version never takes the place of a newer one: the comparison and the write are one step in Valkey. A Valkey
that is away, slow or empty costs time: every function then answers as if nothing were there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import NamedTuple, TypeVar

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from entitlements import gauges, packing
from entitlements.bits import Reader, Writer
from entitlements.shapes import table
from entitlements.wire import Command, Wire

TIMEOUT_SECONDS, AWAY_SECONDS = 0.05, 2.0
# A version stays longer than what it says counts: a fetch that was slower than its end must still meet it.
LINGER_SECONDS = 5.0
SHAPE_SECONDS, SHAPE_AGAIN_SECONDS = 600, 30.0

# A packet begins with its version, seven bits a byte.
KEEP = """
local function version(packet)
    local number, times = 0, 1
    for place = 1, 10 do
        local byte = packet:byte(place)
        number = number + (byte % 128) * times
        if byte < 128 then return number end
        times = times * 128
    end
    return number
end
local kept = {}
for place = 1, #KEYS do
    local packet, milliseconds, told = ARGV[place * 3 - 1], ARGV[place * 3], ARGV[place * 3 + 1]
    local old = redis.call('GET', KEYS[place])
    if old and version(old) > version(packet) then
        kept[place] = '0'
    else
        redis.call('SET', KEYS[place], packet, 'PX', milliseconds)
        if ARGV[1] ~= '' then redis.call('PUBLISH', ARGV[1], told) end
        kept[place] = '1'
    end
end
return table.concat(kept)
"""
# So many are kept by one call of it: the others of Valkey need not wait for more. And so many are sent together.
MOST_AT_ONCE, MOST_SENT = 100, 1000
# A user's packet and how long it stays, as it is asked for most often.
FIND = b"*2\r\n$4\r\nPTTL\r\n$%d\r\n%b\r\n*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n"
Answer = TypeVar("Answer")


class Found(NamedTuple):
    """A packet, and for how many seconds more it counts."""

    packet: bytes
    seconds: float


class Change(NamedTuple):
    """A user's new packet, a bare one when only its version is known; it counts for `seconds`."""

    user_id: str
    packet: bytes
    seconds: float
    shapes: Mapping[bytes, bytes] = {}


class Shelf:
    """The connections to one Valkey, and how it has behaved lately."""

    def __init__(self, url: str, name: str) -> None:
        self._valkey = connected(url, TIMEOUT_SECONDS)
        self._wire = Wire(self._valkey)
        self._name = name
        self._keys = f"{name}:facts:".encode()
        self._away_until = 0.0
        self._put_at: dict[bytes, float] = {}

    def find(self, user_id: str) -> Found | None:
        """Return what is kept of a user; whoever cannot read it lets its shapes be learned."""
        if time.monotonic() < self._away_until:
            gauges.FALLBACKS.inc()
            return None
        key = self._keys + user_id.encode("utf-8", "surrogatepass")
        length = len(key)
        try:
            milliseconds, packet = self._wire.ask_packed(FIND % (length, key, length, key), 2)
        except redis.RedisError:
            self._lose()
            return None
        seconds = milliseconds / 1000 - LINGER_SECONDS
        if packet is None or seconds <= 0 or packing.is_bare(packet):
            return None
        return Found(packet, seconds)

    def learn(self, found: Found) -> None:
        """Learn the shapes that a packet names and nobody here has seen."""
        self._asking(lambda: self._learn_shapes([found]), None)

    def look(self, user_ids: Sequence[str]) -> dict[str, Found]:
        """Return what is kept of these users and can be read here."""
        nothing: dict[str, Found] = {}
        found = self._asking(lambda: self._look(user_ids), nothing)
        return {user_id: each for user_id, each in found.items() if not packing.is_bare(each.packet)}

    def keep(self, change: Change) -> bool:
        """Keep a packet unless a newer one is there, which is what it returns."""
        return self.keep_all([change])[0]

    def keep_all(self, changes: Sequence[Change]) -> list[bool]:
        """Do so with many in one round trip; True where Valkey is away, because nothing newer was seen."""
        return self._asking(lambda: self._keep_all(changes), [True] * len(changes))

    def tell(self, changes: Sequence[Change]) -> bool:
        """Keep packets and tell everybody of them; say whether that reached Valkey."""
        return self._asking(lambda: self._tell(changes), otherwise=False)

    def tell_again(self, changes: Sequence[Change]) -> bool:
        """Do so whether or not Valkey was away a moment ago."""
        try:
            self._tell(changes)
        except redis.RedisError:
            return False
        self._away_until = 0.0
        return True

    def _look(self, user_ids: Sequence[str]) -> dict[str, Found]:
        keys = [self._key(user_id) for user_id in user_ids]
        said = self._wire.ask([(word, key) for key in keys for word in (b"PTTL", b"GET")])
        found = {
            user_id: Found(packet, milliseconds / 1000 - LINGER_SECONDS)
            for user_id, milliseconds, packet in zip(user_ids, said[::2], said[1::2], strict=True)
            if packet is not None and milliseconds / 1000 > LINGER_SECONDS
        }
        self._learn_shapes(found.values())
        return found

    def _learn_shapes(self, found: Iterable[Found]) -> None:
        unknown = list({ref for each in found for ref in packing.refs(each.packet) if not table.knows(ref)})
        if unknown:
            for text in self._valkey.mget([self._key_of_shape(ref) for ref in unknown]):
                if isinstance(text, bytes):
                    table.learn(text)

    def _tell(self, changes: Sequence[Change]) -> bool:
        for at in range(0, len(changes), MOST_SENT):
            self._keep_all(changes[at : at + MOST_SENT], tell=True)
        return True

    def _keep_all(self, changes: Sequence[Change], *, tell: bool = False) -> list[bool]:
        commands: list[Command] = []
        now = time.monotonic()
        shapes = {ref: text for change in changes for ref, text in change.shapes.items()}
        due = [ref for ref in shapes if now - self._put_at.get(ref, -SHAPE_AGAIN_SECONDS) >= SHAPE_AGAIN_SECONDS]
        for ref in due:
            commands.append((b"SET", self._key_of_shape(ref), shapes[ref], b"EX", b"%d" % SHAPE_SECONDS))
        commands += [
            self._keeping(changes[at : at + MOST_AT_ONCE], tell=tell) for at in range(0, len(changes), MOST_AT_ONCE)
        ]
        said = b"".join(self._wire.ask(commands)[len(due) :])
        self._put_at |= dict.fromkeys(due, now)
        gauges.STALE_AVOIDED.inc(said.count(b"0"))
        return [kept == ord("1") for kept in said]

    def _keeping(self, changes: Sequence[Change], *, tell: bool) -> Command:
        words = [b"EVAL", KEEP.encode(), b"%d" % len(changes), *(self._key(change.user_id) for change in changes)]
        words.append(self.channel.encode() if tell else b"")
        for change in changes:
            milliseconds = int((max(change.seconds, 0) + LINGER_SECONDS) * 1000)
            words += [change.packet, b"%d" % milliseconds, message(change) if tell else b""]
        return words

    def _asking(self, ask: Callable[[], Answer], otherwise: Answer) -> Answer:
        if time.monotonic() < self._away_until:
            gauges.FALLBACKS.inc()
            return otherwise
        try:
            return ask()
        except redis.RedisError:
            self._lose()
            return otherwise

    def _lose(self) -> None:
        self._away_until = time.monotonic() + AWAY_SECONDS
        gauges.FALLBACKS.inc()

    @property
    def channel(self) -> str:
        """Where changes are told: channels do not know databases."""
        return f"{self._name}:{self._valkey.connection_pool.connection_kwargs.get('db', 0)}:changes"

    def _key(self, user_id: str) -> bytes:
        return self._keys + user_id.encode("utf-8", "surrogatepass")

    def _key_of_shape(self, ref: bytes) -> bytes:
        return f"{self._name}:shape:".encode() + ref


def message(change: Change) -> bytes:
    """Write a change as it is told."""
    to = Writer()
    to.number(int(max(change.seconds, 0) * 1000))
    to.text(change.user_id)
    to.raw(change.packet)
    return to.packet()


def read_message(text: bytes) -> Change:
    """Read a change that was told."""
    of = Reader(text)
    seconds = of.number() / 1000
    user_id = of.text()
    return Change(user_id, of.rest(), seconds)


def connected(url: str, timeout: float) -> redis.Redis:
    """Return a client that gives up after `timeout` seconds and tries nothing twice."""
    return redis.Redis.from_url(
        url, socket_timeout=timeout, socket_connect_timeout=timeout, retry=Retry(NoBackoff(), 0)
    )


def here() -> Shelf:
    """Return the shelf of the Valkey that is set."""
    return _shelf(settings.REDIS_URL, settings.APP_NAME)


@cache
def _shelf(url: str, name: str) -> Shelf:
    return Shelf(url, name)
