"""Who may use what, until when, how much.

Owns:     entitlements, usage.
Answers:  may this user use this feature now, until when, and how much of it?
Never:    touches the network, or knows why somebody paid.
Imports:  pricing, events.
"""
