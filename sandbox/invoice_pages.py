"""What a buyer sees of an invoice and of a charge: the hosted invoice page, its PDF, the receipt."""

from datetime import UTC, datetime

from werkzeug import Response
from werkzeug.utils import redirect

from sandbox import collection, currencies, errors, invoice_payments, payment_intents, payment_methods, routes, screens
from sandbox.routes import Door
from sandbox.screens import Bill
from sandbox.store import Obj, Store

# A line each, from the top of an A4 page, in points.
PDF_TOP, PDF_STEP = 780, 20


@routes.door("GET", "/invoice/<id>")
def show(door: Door) -> Response:
    return _shown(door.store, door.store.get("invoice", door.path["id"]))


@routes.door("POST", "/invoice/<id>")
def pay(door: Door) -> Response:
    """Pay an open invoice with a new card; a refusal is shown on the same page."""
    given, store = door.request.form, door.store
    try:
        form = screens.card_form(given)
        with store.transaction():
            invoice = store.get("invoice", door.path["id"])
            if invoice["status"] != "open":
                return _shown(store, invoice)
            billing = {"email": form.email, "name": form.name, "address": {"country": form.country}}
            method = payment_methods.from_form(store, form.card, form.expiry, form.cvc, billing_details=billing)
            method = store.put(method | {"customer": invoice["customer"]})
            invoice = collection.attempt(store, invoice, method["id"], off_session=False, automatic=False)
    except errors.StripeError as error:
        invoice = store.get("invoice", door.path["id"])
        return _shown(store, invoice, problem=error.message, typed=dict(given), status=error.status)
    return _after(store, invoice, dict(given))


@routes.door("GET", "/invoice/<id>/pdf")
def show_pdf(door: Door) -> Response:
    invoice = door.store.get("invoice", door.path["id"])
    lines = [f"Invoice {invoice['number']}", f"Status: {invoice['status']}", ""]
    lines += [f"{name}  {amount}" for name, _, amount in _lines(door.store, invoice)]
    lines += ["", f"Total: {currencies.shown(invoice['total'], invoice['currency'])}"]
    return Response(_pdf(lines), mimetype="application/pdf")


@routes.door("GET", "/receipts/<id>")
def show_receipt(door: Door) -> Response:
    charge = door.store.get("charge", door.path["id"])
    day = datetime.fromtimestamp(charge["created"], UTC).strftime("%d %B %Y")
    last4 = charge["payment_method_details"]["card"]["last4"]
    text = f"{currencies.shown(charge['amount'], charge['currency'])} on {day}, card ending in {last4}."
    if charge["amount_refunded"]:
        text += f" {currencies.shown(charge['amount_refunded'], charge['currency'])} went back to you."
    return screens.message("Receipt", text)


def _after(store: Store, invoice: Obj, typed: dict[str, str]) -> Response:
    payment = invoice_payments.open_of(store, invoice)
    if payment is None:
        return redirect(f"/invoice/{invoice['id']}", 303)
    intent = store.get("payment_intent", payment["_intent"])
    if intent["status"] == "requires_action":
        payment_intents.come_back_to(store, intent, f"/invoice/{invoice['id']}")
        return redirect(f"/3ds/{intent['id']}", 303)
    problem = (intent["last_payment_error"] or {}).get("message")
    return _shown(store, invoice, problem=problem, typed=typed, status=402)


def _shown(
    store: Store, invoice: Obj, *, problem: str | None = None, typed: dict[str, str] | None = None, status: int = 200
) -> Response:
    amount = currencies.shown(invoice["amount_remaining"], invoice["currency"])
    if invoice["status"] != "open":
        text = f"{currencies.shown(invoice['total'], invoice['currency'])}, {invoice['status']}."
        return screens.message(f"Invoice {invoice['number']}", text, f"/invoice/{invoice['id']}/pdf", "Download")
    bill = Bill(
        heading=f"Invoice {invoice['number']}",
        amount=amount,
        button=f"Pay {amount}",
        action=f"/invoice/{invoice['id']}",
        lines=_lines(store, invoice),
        email=invoice["customer_email"],
    )
    return screens.card_page(bill, problem=problem, typed=typed, status=status)


def _lines(store: Store, invoice: Obj) -> list[tuple[str, str, str]]:
    return [
        (str(line["description"]), f"Quantity {line['quantity']}", currencies.shown(line["amount"], line["currency"]))
        for line in reversed(store.find("line_item", invoice=invoice["id"]))
    ]


def _pdf(lines: list[str]) -> bytes:
    """Write the smallest PDF that shows these lines (ISO 32000-1, section 7.5: file structure)."""
    shown = [line.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)") for line in lines]
    text = "".join(
        f"BT /F1 12 Tf 60 {PDF_TOP - PDF_STEP * place} Td ({line}) Tj ET\n" for place, line in enumerate(shown)
    )
    stream = text.encode("latin-1", "replace")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>",
        b"<< /Length %d >>\nstream\n%sendstream" % (len(stream), stream),
    ]
    body, places = b"%PDF-1.4\n", []
    for number, each in enumerate(objects, start=1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = b"xref\n0 5\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
    return body + table + b"trailer << /Size 5 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % len(body)
