"""A Stripe stand-in for machines without a Stripe account.

Owns:     its own process and one SQLite file with every Stripe object, a virtual clock, the hosted payment page.
Answers:  what would Stripe reply to this request, and which signed webhooks would it send?
Never:    meets a real card, is started in production, or is imported by the product it stands next to.
Imports:  nothing of the product; Werkzeug for HTTP, pydantic and stripe's typed classes for the rules of the API.
"""

API_VERSION = "2026-08-26.dahlia"
