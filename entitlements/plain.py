"""What most packets say, read at sight: grants of one source, his own and in force, that one plan gave, and no more.

Nearly every buyer's packet is of this kind: no family, no override, nothing held back. It is read by two patterns in
the stead of a loop over its bytes; a packet of any other kind is left to `packing`, whose format this is.
"""

from __future__ import annotations

import re
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
# The one shape is the first, and there are no rules.
TAIL = b"\x00\x00"


class Plain(NamedTuple):
    """Moments are microseconds since 1970. `since` is when the last of what is said of the grants came to be."""

    user_id: str
    packet: bytes
    version: int
    catalog: int
    ref: bytes
    flags: int
    source_type: str
    source_id: str
    since: int
    ends_at: int | None
    grace_until: int | None

    def facts(self, catalog: int) -> Facts:
        """Return the same in full. Raises ShapeMissing."""
        return packing.unpack(self.user_id, self.packet, catalog=catalog)


def read(user_id: str, packet: bytes) -> Plain | None:
    """Return what a packet says of the user; None when it is of another kind."""
    head = HEAD.match(packet)
    if head is None:
        return None
    version, ref, catalog, (flags,), (source_type,) = head.groups()
    at = head.end()
    if flags & UUID_SOURCE:
        bits, at = packet[at : at + ID_BYTES].hex(), at + ID_BYTES
        source_id = f"{bits[:8]}-{bits[8:12]}-{bits[12:16]}-{bits[16:20]}-{bits[20:]}"
    else:
        start, length = at + 1, packet[at]
        at = start + length
        # The length of a longer one takes more than a byte.
        if length > 127 or not (text := packet[start:at]).isascii():
            return None
        source_id = text.decode()
    moments = MOMENTS[flags].match(packet, at)
    if moments is None or not _ends_with_ids(packet, moments.end()):
        return None
    starts, granted, changed, *rest = moments.groups()
    starts_at = _moment(starts)
    granted_at = starts_at + _moment(granted)
    ends_at = starts_at + _moment(rest[0]) if flags & ENDS else None
    return Plain(
        user_id,
        packet,
        _number(version),
        _number(catalog),
        ref,
        flags,
        SOURCES[source_type - 1],
        source_id,
        max(starts_at, granted_at, granted_at + _moment(changed)),
        ends_at,
        starts_at + _moment(rest[-1]) if flags & GRACE else None,
    )


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
