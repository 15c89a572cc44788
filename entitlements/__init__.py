"""Who may use what, until when, how much.

Owns:     entitlements, overrides, families, usage.
Answers:  may this user use this feature now, until when, and how much of it?
Never:    opens a connection but to Postgres and Valkey, or knows why somebody paid.
Imports:  pricing, events.
"""
