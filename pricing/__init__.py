"""What is sold, where, for how much.

Owns:     features, plans and their versions, zones, countries, price overrides, quotes.
Answers:  what does this plan cost in this country, and why? What does this version of a plan include?
Never:    knows who bought what, or speaks to Stripe; it knows Stripe's rules on amounts as data.
Imports:  events.
"""
