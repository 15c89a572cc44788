"""What is asked of Stripe, one module a noun; all of it through the gateway."""
