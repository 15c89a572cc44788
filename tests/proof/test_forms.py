"""A page's form, read as a browser without JavaScript reads it."""

from __future__ import annotations

from proof.forms import Page

PAGE = """
<p role="alert">Your card <b>was declined.</b></p> <p>Try again</p>
<form method="post" action="/pay/1">
  <input type="hidden" name="token" value="abc">
  <label>Card <input name="card_number" autocomplete="cc-number" required></label>
  <input type="checkbox" name="save" value="yes"> <input type="checkbox" name="terms" value="yes" checked>
  <select name="country" autocomplete="billing country">
    <option value="US">US</option><option value="IN" selected>IN</option>
  </select>
  <button name="action" value="pay">Pay</button> <button name="action" value="leave">Leave</button>
</form>
"""


def test_a_form_holds_what_a_browser_would_send() -> None:
    (form,) = Page(PAGE).forms

    assert (form.method, form.action) == ("post", "/pay/1")
    assert form.values == {"token": "abc", "card_number": "", "terms": "yes", "country": "IN", "action": "pay"}


def test_fields_are_filled_by_what_they_are_meant_for() -> None:
    (form,) = Page(PAGE).forms

    filled = form.filled(cc_number="4242424242424242", country="DE", cc_csc="123")

    assert (filled["card_number"], filled["country"]) == ("4242424242424242", "DE")
    assert "123" not in filled.values()


def test_a_select_without_a_choice_sends_its_first_option() -> None:
    page = Page('<form><select name="size"><option value="s"><option value="m"></select></form>')

    assert page.forms[0].values == {"size": "s"}


def test_an_alert_is_heard_whole_and_nothing_else_with_it() -> None:
    assert Page(PAGE).alert == "Your card was declined."
