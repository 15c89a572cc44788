"""Parameters that Stripe has and this sandbox leaves out: it says so, and ignores none of them."""

from typing import Any

from sandbox import errors


def only(params: dict[str, Any], *served: str) -> None:
    """Raise a 400 for a parameter that would have an effect at Stripe and none here."""
    for name in params:
        if name not in served and not _is_off(params[name]):
            raise errors.invalid(f"This sandbox does not serve the parameter {name}.", param=name)


def _is_off(value: Any) -> bool:
    return value in ("", [], {}, False) or value == {"enabled": False}
