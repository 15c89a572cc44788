"""What we ask of Stripe, one module a noun, by the gateway."""

"""What we ask of Stripe beyond looking, one module a noun."""
"""What we ask of Stripe beyond looking, one module a noun."""
"""What is asked of Stripe, one module a noun. Only `billing.gateway` speaks to it."""
"""What is asked of Stripe, one module a noun. The gateway makes the calls; nothing here imports stripe."""
"""What is asked of Stripe, one module a noun; all of it through the gateway."""
