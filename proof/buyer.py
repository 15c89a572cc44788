"""A buyer at Stripe's hosted page, in a browser without JavaScript."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import httpx

from proof.expecting import true
from proof.forms import Page

GOOD_CARD = "4242424242424242"
DECLINED_CARD = "4000000000000002"


@dataclass(frozen=True, slots=True)
class Landing:
    """Where the buyer is after he pressed Pay. `alert` is what the page said when he is still on it."""

    url: str
    paid: bool
    alert: str


def pay(url: str, *, card: str, country: str = "IN", email: str = "buyer@example.com") -> Landing:
    """Open the hosted page, fill in its form, send it, and follow it to where it leads."""
    with httpx.Client(timeout=30, trust_env=False, follow_redirects=True) as browser:
        page = browser.get(url).raise_for_status()
        forms = [form for form in Page(page.text).forms if form.method == "post" and "cc-number" in form.meant_for]
        true("the hosted page's form", bool(forms), f"{len(page.text)} bytes without one", expected="a form for a card")
        filled = forms[0].filled(
            cc_number=card, cc_exp="12 / 34", cc_csc="123", cc_name="Asha Rao", email=email, country=country
        )
        answer = browser.post(urljoin(url, forms[0].action), data=filled)
    here = str(answer.url)
    # Stripe sends the buyer away only when he has paid.
    return Landing(here, paid=urlsplit(here).netloc != urlsplit(url).netloc, alert=Page(answer.text).alert)
