"""What may be wrong with customers and their payment methods."""

from __future__ import annotations

from uuid import UUID

from billing.errors import BillingError


class CustomerExists(BillingError):
    code = "customer_exists"
    field = "user_id"

    def __init__(self, user_id: str, customer_id: UUID):
        super().__init__(f"User {user_id} is a customer already.")
        # A user finds his own id nowhere else: the list of customers is not for him.
        self.members = {"customer_id": str(customer_id)}


class CustomerErased(BillingError):
    code = "customer_erased"

    def __init__(self, user_id: str):
        super().__init__(f"What named user {user_id} was erased, and nothing new is kept of him.")


class PaymentMethodNotUsable(BillingError):
    """Absent, somebody else's, or used up: who asks must not learn which."""

    code = "payment_method_not_usable"
    field = "payment_method_id"

    def __init__(self, reference: str):
        super().__init__(f"{reference} is no payment method that this customer can use.")


class SetupNotDone(BillingError):
    code = "setup_not_done"
    field = "payment_method_id"

    def __init__(self, status: str):
        super().__init__(f"The buyer has not finished leaving a card: the setup is {status}.")


class PaymentMethodInUse(BillingError):
    code = "payment_method_in_use"

    def __init__(self) -> None:
        super().__init__("A subscription that runs is paid by it: make another one the default first.")


class PaymentMethodGone(BillingError):
    code = "payment_method_gone"

    def __init__(self) -> None:
        super().__init__("This payment method was taken away.")


class PaymentMethodBusy(BillingError):
    code = "payment_method_busy"
    retry_after = 2

    def __init__(self) -> None:
        super().__init__("Another change of this customer's payment methods is under way.")
