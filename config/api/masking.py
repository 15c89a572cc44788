"""What a role reads without seeing all of it: who may not see in full sees enough to tell one from another."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from rest_framework.request import Request

from config.api.kept import Kept
from config.api.permissions import may

MASK = "***"
# So much of an id is shown as a person reads out on the telephone.
TAIL = 4
Mask = Callable[[Any], Any]
# An id of Stripe's: its kind and then letters, one of them at least no small one. Our words, as in_progress, pass.
STRIPES = re.compile(
    r"\b(?:acct|card|ch|cs|cus|dp|du|evt|ii|il|in|mandate|pi|plink|pm|po|price|prod|py|pyr|re|req|seti|setatt|si|src"
    r"|sub|sub_sched|tok|tr|trr|txn)_(?:test_|live_)?(?=[a-z]*[A-Z0-9])[A-Za-z0-9]{8,}"
)
E_MAIL = re.compile(r"[^\s@<>\"']+@[^\s@<>\"']+")
# Fields of history's data that may say anything of a buyer: a bank's words, what a product put there.
NAMING = {"address", "email", "failure_message", "failure_reason", "metadata", "name_on_card", "phone"}


def seen_by(request: Request) -> dict[str, Any]:
    """Make the context of a serializer whose answer goes to whoever sent the request."""
    return {"request": request}


def tail(value: str | None) -> str | None:
    """Show the kind and the end of an id of Stripe's, such as `pi_***aB3d`: nothing can be asked of Stripe by it."""
    if not value:
        return value
    kind, _, rest = value.rpartition("_")
    return f"{kind}{'_' if kind else ''}{MASK}{rest[-TAIL:] if len(rest) > 2 * TAIL else ''}"


def hidden(value: str | None) -> str | None:
    """Show only that there is something."""
    return MASK if value else value


def hidden_values(value: Mapping[str, Any]) -> dict[str, Any]:
    """Show the names, and of the values nothing: a product may have put anything there."""
    return dict.fromkeys(value, MASK)


def told_without_names(value: Any) -> Any:
    """Show a line of history without what Stripe would answer to, nor what names or reaches a person."""
    if isinstance(value, Mapping):
        return {name: MASK if name in NAMING and said else told_without_names(said) for name, said in value.items()}
    if isinstance(value, list):
        return [told_without_names(each) for each in value]
    if not isinstance(value, str):
        return value
    return E_MAIL.sub(MASK, STRIPES.sub(lambda found: str(tail(found[0])), value))


class Masked(Kept):
    """Masks the fields that `masked` names, unless the request in its context may see in full."""

    masked: ClassVar[Mapping[str, Mask]] = {}

    def to_representation(self, instance: Any) -> Any:
        """Mask what was made to be shown. Without a request nobody is known, and all of it is masked."""
        shown = super().to_representation(instance)
        request = self.context.get("request")
        if request is not None and may(request, "see in full"):
            return shown
        return {name: self.masked[name](value) if name in self.masked else value for name, value in shown.items()}
