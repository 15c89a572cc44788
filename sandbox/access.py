"""Whose key a request carries, and which version of the API it asks for."""

import base64
import binascii

from werkzeug.datastructures import Headers

from sandbox import API_VERSION, errors

PREFIXES = ("sk_test_", "rk_test_")


def authenticate(headers: Headers) -> None:
    """Let any secret test key in, by Bearer or Basic; raise Stripe's 401 otherwise, and 400 for another version."""
    key = _key(headers.get("Authorization", ""))
    if not key:
        message = (
            "You did not provide an API key. You need to provide your API key in the Authorization header, "
            "using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
        )
        raise errors.StripeError(message, status=401, stored=False)
    if not key.startswith(PREFIXES):
        raise errors.StripeError(f"Invalid API Key provided: {_masked(key)}", status=401, stored=False)
    version = headers.get("Stripe-Version", API_VERSION)
    if version != API_VERSION:
        # Objects have the shape of one version alone; another version would get wrong shapes without a word.
        message = f"Invalid Stripe API version: {version}. This sandbox speaks {API_VERSION}."
        raise errors.StripeError(message, stored=False)


def _key(header: str) -> str:
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(rest).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _masked(key: str) -> str:
    return key[:8] + "*" * (len(key) - 12) + key[-4:] if len(key) > 16 else "*" * len(key)
