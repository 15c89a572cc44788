"""How the pages look: templates filled with escaped words, and the card form read back."""

from dataclasses import dataclass
from functools import lru_cache
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from werkzeug import Response
from werkzeug.datastructures import MultiDict

from sandbox import account, countries, errors
from sandbox.checkout_payment import Form

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class Bill:
    """What a page asks a buyer to pay: `lines` are (name, small print, amount), amounts are written out."""

    heading: str
    amount: str
    button: str
    action: str
    lines: list[tuple[str, str, str]]
    period: str = ""
    email: str | None = None
    back: str | None = None


def card_page(
    bill: Bill, *, problem: str | None = None, typed: dict[str, str] | None = None, status: int = 200
) -> Response:
    """Show a bill and the card form; a problem stands above it, and what was typed stays, but for the card."""
    values = typed or {}
    alert = f'<p class="alert" role="alert" id="problem">{escape(problem)}</p>' if problem else ""
    back = f'<p class="hint"><a href="{escape(bill.back)}">Back to the shop</a></p>' if bill.back else ""
    body = _filled(
        "checkout",
        shop=account.NAME,
        heading=escape(bill.heading),
        amount=escape(bill.amount),
        period=f"<small>{escape(bill.period)}</small>" if bill.period else "",
        lines="".join(_row(*line) for line in bill.lines),
        back=back,
        alert=alert,
        card_error='aria-invalid="true" aria-describedby="problem"' if problem else "",
        action=bill.action,
        email=escape(bill.email or values.get("email", "")),
        email_fixed="readonly" if bill.email else "",
        name=escape(values.get("name", "")),
        countries=_options(values.get("country", account.COUNTRY)),
        button=escape(bill.button),
    )
    return page(f"{bill.heading} | {account.NAME}", body, status)


def bank_page(amount: str, last4: str, action: str) -> Response:
    """Ask the buyer as a bank would."""
    body = _filled("bank", shop=account.NAME, amount=escape(amount), last4=escape(last4), action=action)
    return page("Confirm this payment", body)


def message(heading: str, text: str, url: str | None = None, link: str = "", status: int = 200) -> Response:
    """Say one thing, with one way to go on."""
    shown = f'<p><a href="{escape(url)}">{escape(link)}</a></p>' if url else ""
    body = _filled("message", shop=account.NAME, heading=escape(heading), text=escape(text), link=shown)
    return page(heading, body, status)


def index(cards: list[tuple[str, str, str]], seen: list[tuple[str, str, list[tuple[str, str, str]]]]) -> Response:
    """Say what runs here: cards by number, and what was seen as (heading, address of all of it, rows)."""
    parts = "".join(
        f'<h2>{escape(heading)}</h2><p class="hint"><a href="{escape(url)}">All, as JSON</a></p>'
        f"<table><tbody>{''.join(_row(*row) for row in rows) or '<tr><td>None yet.</td></tr>'}</tbody></table>"
        for heading, url, rows in seen
    )
    return page("Stripe sandbox", _filled("index", cards="".join(_row(*card) for card in cards), seen=parts))


def page(title: str, body: str, status: int = 200) -> Response:
    """Put a body into the frame that all pages share."""
    return Response(_filled("layout", title=escape(title), body=body), status, mimetype="text/html")


def card_form(given: MultiDict[str, str]) -> Form:
    """Read the card form; raise Stripe's 402 for a date that is none."""
    return Form(
        card=given.get("card_number", ""),
        expiry=expiry_from(given.get("expiry", "")),
        cvc=given.get("cvc") or None,
        email=given.get("email"),
        country=given.get("country"),
        name=given.get("name"),
    )


def expiry_from(text: str) -> tuple[int, int]:
    """Read `12 / 34`, `12/2034` or `1234`; raise Stripe's 402 for what is no date."""
    month, slash, year = text.replace(" ", "").partition("/")
    if not slash:
        month, year = month[:2], month[2:]
    if not month.isdigit() or not year.isdigit():
        message = "Your card's expiration date is incomplete."
        raise errors.card_declined(message, code="invalid_expiry_year", keeps=False)
    return int(month), int(year)


def _row(name: str, small: str, amount: str) -> str:
    return f"<tr><td>{escape(name)}<small>{escape(small)}</small></td><td>{escape(amount)}</td></tr>"


def _options(chosen: str) -> str:
    return "".join(
        f'<option value="{code}"{" selected" if code == chosen else ""}>{escape(name)}</option>'
        for code, name in countries.names().items()
    )


def _filled(name: str, /, **values: Any) -> str:
    return _template(name).substitute(values)


@lru_cache(maxsize=8)
def _template(name: str) -> Template:
    return Template((TEMPLATES / f"{name}.html").read_text(encoding="utf-8"))
