"""What most packets say, read at sight: grants of one source, his own and in force, that one plan gave, and no more.

Nearly every buyer's packet is of this kind: no family, no override, nothing held back. It is read by two patterns in
the stead of a loop over its bytes; a packet of any other kind is left to `packing`, whose format this is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from entitlements import packing
from entitlements.facts import Facts
from entitlements.packing import ENDS, GRACE, OF_FAMILY, OWN, REASONS, SHARED, SOURCES, STATUSES, UUID_SOURCE
from entitlements.shapes import REF_BYTES

NUMBER = rb"([\x80-\xff]*[\x00-\x7f])"
KINDS = bytes(flags for flags in range(2 * SHARED) if flags & (OWN | OF_FAMILY | SHARED) == OWN | SHARED)
# The version, one shape, the catalog, no family, one group; its source's kind, that it is active, and for no reason.
HEAD = re.compile(
    NUMBER
    + rb"\x01(.{%d})" % REF_BYTES
    + NUMBER
    + rb"\x00\x00\x01([%b])" % b"".join(b"\\x%02x" % flags for flags in KINDS)
    + rb"([\x01-\x%02x])" % len(SOURCES)
    + rb"\x%02x\x%02x" % (STATUSES.index("active") + 1, REASONS.index("") + 1),
    re.DOTALL,
)
# When it starts, was granted and changed; when it ends, and until when it is borne with.
MOMENTS = {flags: re.compile(NUMBER * (3 + bool(flags & ENDS) + bool(flags & GRACE))) for flags in KINDS}
ID_BYTES = 16
# The one shape is the first, and there are no rules. The other is a moment that is the one before it.
TAIL, SAME = b"\x00\x00", b"\x00"
# So many heads are remembered: the buyers of a plan share a few.
MOST_HEADS = 4096


# Known by itself: to compare what it says would take longer than to read it.
@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """What packets have in common whose first bytes after the version are the same: a plan, a kind of source."""

    catalog: int
    ref: bytes
    flags: int
    source_type: str


class Plain(NamedTuple):
    """Moments are microseconds since 1970. `since` is when the last of what is said of the grants came to be."""

    user_id: str
    packet: bytes
    version: int
    head: Head
    source_id: str
    since: int
    ends_at: int | None
    grace_until: int | None

    def facts(self, catalog: int) -> Facts:
        """Return the same in full. Raises ShapeMissing."""
        return packing.unpack(self.user_id, self.packet, catalog=catalog)


_heads: dict[bytes, Head] = {}


def read(user_id: str, packet: bytes) -> Plain | None:
    """Return what a packet says of the user; None when it is of another kind."""
    found = HEAD.match(packet)
    if found is None:
        return None
    begins, at = found.end(1), found.end()
    head = _heads.get(packet[begins:at]) or _head(found, packet[begins:at])
    flags = head.flags
    if flags & UUID_SOURCE:
        start, at = at, at + ID_BYTES
        bits = packet[start:at].hex()
        source_id = f"{bits[:8]}-{bits[8:12]}-{bits[12:16]}-{bits[16:20]}-{bits[20:]}"
    else:
        start, length = at + 1, packet[at]
        at = start + length
        text = packet[start:at]
        # The length of a longer one takes more than a byte.
        if length > 127 or not text.isascii():
            return None
        source_id = text.decode()
    moments = MOMENTS[flags].match(packet, at)
    if moments is None or not _ends_with_ids(packet, moments.end()):
        return None
    starts, granted, changed, *rest = moments.groups()
    since = starts_at = _moment(starts)
    if granted != SAME or changed != SAME:
        granted_at = starts_at + _moment(granted)
        since = max(starts_at, granted_at, granted_at + _moment(changed))
    ends_at = starts_at + _moment(rest[0]) if flags & ENDS else None
    grace_until = starts_at + _moment(rest[-1]) if flags & GRACE else None
    return Plain(user_id, packet, _number(packet[:begins]), head, source_id, since, ends_at, grace_until)


def _head(found: re.Match[bytes], text: bytes) -> Head:
    _version, ref, catalog, (flags,), (source_type,) = found.groups()
    head = Head(_number(catalog), ref, flags, SOURCES[source_type - 1])
    if len(_heads) >= MOST_HEADS:
        _heads.clear()
    _heads[text] = head
    return head


def _ends_with_ids(packet: bytes, at: int) -> bool:
    if len(packet) < at + 2:
        return False
    count, shared = packet[at], packet[at + 1]
    return packet[at + 2 + shared + count * (ID_BYTES - shared) :] == TAIL


def _number(bits: bytes) -> int:
    number = 0
    for byte in reversed(bits):
        number = number << 7 | byte & 127
    return number


def _moment(bits: bytes) -> int:
    number = _number(bits)
    return -((number + 1) >> 1) if number & 1 else number >> 1
