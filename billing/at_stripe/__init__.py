"""What we ask of Stripe beyond looking, one module a noun."""
