"""What is asked of Stripe, one module a noun. The gateway makes the calls; nothing here imports stripe."""
