"""Sealed columns: plain on the object, sealed in the database."""

from __future__ import annotations

import pytest
from django.db import connection

from billing import customers
from billing.models import Customer, WebhookEvent
from tests.api import api
from tests.buyer import Buyer
from vault.errors import NotReadable

pytestmark = pytest.mark.usefixtures("books")


def a_customer(user_id: str = "anna", email: str = "Anna@Example.com") -> Customer:
    return Customer.objects.create(user_id=user_id, email=email, name="Anna Aal")


def stored(column: str, customer: Customer) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM billing_customer WHERE id = %s", [customer.pk])
        return str(cursor.fetchone()[0])


def test_what_is_stored_says_nothing_and_what_is_read_is_what_was_written() -> None:
    customer = a_customer()

    sealed = stored("email", customer) + stored("name", customer) + stored("email_index", customer)
    # Longer words than chance would write in base64.
    assert not [word for word in ("Anna@", "example", "Anna Aal", "nna@exa") if word.lower() in sealed.lower()]
    assert Customer.objects.get(pk=customer.pk).email == "Anna@Example.com"


def test_nothing_stays_nothing() -> None:
    """An empty text needs no seal, and tells nothing."""
    customer = Customer.objects.create(user_id="anna")

    assert [stored(column, customer) for column in ("email", "name", "email_index")] == ["", "", ""]
    assert Customer.objects.get(pk=customer.pk).email == ""


def test_a_value_copied_to_another_row_does_not_open() -> None:
    """Who may write the table still cannot lend one person's value to another."""
    anna, ben = a_customer(), a_customer("ben", "ben@example.com")

    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE billing_customer SET email = (SELECT email FROM billing_customer WHERE id = %s) WHERE id = %s",
            [anna.pk, ben.pk],
        )

    with pytest.raises(NotReadable):
        _ = Customer.objects.get(pk=ben.pk).email


def test_a_plain_value_slipped_into_a_sealed_column_is_not_believed() -> None:
    anna = a_customer()

    with connection.cursor() as cursor:
        cursor.execute("UPDATE billing_customer SET email = 'mallory@example.com' WHERE id = %s", [anna.pk])

    with pytest.raises(NotReadable):
        _ = Customer.objects.get(pk=anna.pk).email


def test_no_plain_value_reaches_the_database_by_update_or_filter() -> None:
    """Neither knows the row: a plain value would be stored, or stand in the log of slow queries."""
    a_customer()

    with pytest.raises(TypeError):
        Customer.objects.update(email="b@example.com")
    with pytest.raises(TypeError):
        Customer.objects.filter(email="anna@example.com").exists()


def test_a_customer_is_found_by_the_whole_address_in_any_case() -> None:
    anna = a_customer()
    a_customer("ben", "ben@example.com")

    assert [*customers.with_email(" anna@example.COM")] == [anna]
    assert not customers.with_email("anna@example")


def test_a_webhook_is_stored_sealed_and_its_body_is_in_no_page(buyer: Buyer) -> None:
    """AU-01 asks that it is stored; SE-05 that nobody reads it from the disk."""
    buyer.buy()

    event = WebhookEvent.objects.filter(looks_at__startswith="cs_").first()
    assert event
    assert event.stripe_id in event.body
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), count(*) FILTER (WHERE body LIKE 'v1|%%') FROM billing_webhookevent")
        count, sealed = cursor.fetchone()
    assert count == sealed > 0


def test_the_e_mail_that_the_buyer_told_stripe_is_kept_sealed(buyer: Buyer) -> None:
    buyer.buy()
    buyer.stripe.post(f"customers/{buyer.customer.stripe_id}", email="anna@new.example", name="Anna Neu")

    buyer.subscribe()

    assert (buyer.customer.email, buyer.customer.name) == ("anna@new.example", "Anna Neu")
    assert [*customers.with_email("anna@new.example")] == [buyer.customer]
    assert "anna@new.example" not in str(api("anna").get("/api/v1/users/anna/payments").content)
