"""Where a request comes from, as far as it can be believed."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

# Whoever has one IPv6 address has the whole network, and could count as a new caller with each request.
IPV6_PREFIX = 64


def network(request: HttpRequest) -> str:
    """Return the caller's address, for IPv6 his /64.

    Each of the TRUSTED_PROXY_COUNT proxies in front adds the address it sees at the right of X-Forwarded-For; what
    stands further left is the caller's own claim. A request that has fewer came past the proxies.
    """
    connected = request.META.get("REMOTE_ADDR", "")
    trusted = settings.TRUSTED_PROXY_COUNT
    named = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    return _network(named[-trusted] if 0 < trusted <= len(named) else connected) or _network(connected) or "unknown"


def _network(text: str) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        return ""
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ip_network((int(address), IPV6_PREFIX), strict=False))
