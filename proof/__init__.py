"""Proof that a running Farebox does its main job: twelve lines, over HTTP, as an application would use it.

Owns:     nothing but the users that it makes, each with a new random id.
Answers:  do prices, payments, webhooks, access, refunds and recovery hold, and how fast?
Never:    imports anything of Farebox, or looks into its database.
Imports:  nothing of ours; httpx, PyJWT, rich, psutil, and stripe to look at Stripe's side.
"""
