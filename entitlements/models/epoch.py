from __future__ import annotations

from django.db import models


class Epoch(models.Model):
    """Which version of a user's set of grants this is. Triggers raise it with every change, in its transaction.

    Versions come from one sequence, so they rise in the order of the commits of one user. The user "" stands for the
    catalog of features.
    """

    user_id = models.CharField(primary_key=True, max_length=255)
    version = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.user_id} at {self.version}"
