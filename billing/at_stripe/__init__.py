"""What we ask of Stripe, one module a noun, by the gateway."""
