"""Run a whole transaction again when the database asks for it."""

from events.transactions import whole as whole
