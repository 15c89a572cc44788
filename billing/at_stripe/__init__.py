"""What is asked of Stripe, one module a noun. Only `billing.gateway` speaks to it."""
