"""How services come in.

Owns:     service keys (who they are for, what they may do, how long).
Answers:  whose key is this, and which scopes does it have?
Never:    keeps a secret that could be used again, or knows what the scopes open.
Imports:  events.
"""
