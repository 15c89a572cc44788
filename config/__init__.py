"""How the parts are put together: settings, URLs, the Celery app, health, the table of errors.

Owns:     no model and no rule.
Imports:  every app. Apps import of it only the plumbing: `config.api`, `config.celery`, `config.office`.
"""
