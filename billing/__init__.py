"""Money in; the only app that speaks to Stripe.

Owns:     customers, payment methods, checkouts, payments, refunds, subscriptions, invoices, notices, Stripe's events,
          findings.
Answers:  who paid what, and what does that buy him?
Never:    keeps a card, believes a price from a client, or waits for the network inside a transaction.
Imports:  entitlements, pricing, events.
"""
