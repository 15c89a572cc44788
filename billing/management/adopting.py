"""`reconcile_stripe --adopt`: what it takes, and what it shows."""

from __future__ import annotations

import tomllib
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from billing import adoption


def add_arguments(parser: ArgumentParser) -> None:
    """Take how prices and customers of the account are to be understood."""
    parser.add_argument("--adopt", action="store_true", help="take over a running account; Stripe is only read")
    parser.add_argument(
        "--map",
        type=price_map,
        action="append",
        default=[],
        metavar="PRICE=PLAN | FILE.toml",
        help="which plan a price means that names none; a file has them under [prices]; may be repeated",
    )
    parser.add_argument(
        "--user-id-from",
        type=place,
        default="metadata.user_id",
        help="where Stripe's customer names the user of the product: metadata.KEY, email or id",
    )


def price_map(text: str) -> dict[str, str]:
    """Read price_1=pro, or the table [prices] of a TOML file."""
    if text.endswith(".toml"):
        try:
            said = tomllib.loads(Path(text).read_text()).get("prices", {})
        except (OSError, tomllib.TOMLDecodeError) as reason:
            raise ArgumentTypeError(f"{text} cannot be read: {reason}") from None
        if not all(isinstance(plan, str) for plan in said.values()):
            raise ArgumentTypeError(f'{text} must hold lines such as price_1 = "pro" under [prices]')
        return dict(said)
    price, _, plan = text.partition("=")
    if not price or not plan:
        raise ArgumentTypeError(f"{text!r} is neither PRICE=PLAN nor a .toml file")
    return {price: plan}


def place(text: str) -> str:
    """Read metadata.KEY, email or id."""
    if text not in ("email", "id") and not (text.startswith("metadata.") and text != "metadata."):
        raise ArgumentTypeError(f"{text!r} is none of metadata.KEY, email, id")
    return text


def run(options: dict[str, Any], bar: Any) -> adoption.Survey:
    """Survey the account, and adopt unless told only to look."""
    said = {price: plan for one in options["map"] for price, plan in one.items()}
    found = adoption.survey(user_id_from=options["user_id_from"], said=said, seen=bar.seen)
    if not options["dry_run"]:
        adoption.adopt(found, seen=bar.seen)
    return found


def show(found: adoption.Survey, *, dry_run: bool) -> None:
    """Print what is adopted, and what is left with the reason."""
    console = Console()
    table = Table("Stripe object", "user", "plan", "price", "status")
    for payer in found.payers:
        table.add_row(payer.found["id"], payer.user_id, "", "", "")
    for one in found.running:
        id, status = one.found["id"], one.found["status"]
        for line in one.lines:
            table.add_row(id, one.payer.user_id, str(line.version), str(line), status)
    if table.row_count:
        console.print(table)
    left = Table("left as it is", "why")
    for id, why in found.left:
        left.add_row(id, why)
    if found.left:
        console.print(left)
    verb = "would adopt" if dry_run else "adopted"
    counts = f"{len(found.payers)} customers, {len(found.running)} subscriptions"
    console.print(f"{verb} {counts}; {found.known} known before, {len(found.left)} left", soft_wrap=True)


def plain(found: adoption.Survey) -> dict[str, Any]:
    """Give it as JSON values."""
    return {
        "customers": [{"stripe_id": one.found["id"], "user_id": one.user_id} for one in found.payers],
        "subscriptions": [
            {
                "stripe_id": one.found["id"],
                "user_id": one.payer.user_id,
                "plan_id": line.version.plan_id,
                "version": line.version.number,
                "quantity": line.quantity,
                "amount": line.amount.minor,
                "currency": line.amount.currency,
            }
            for one in found.running
            for line in one.lines
        ],
        "known": found.known,
        "left": [{"stripe_id": id, "why": why} for id, why in found.left],
    }
