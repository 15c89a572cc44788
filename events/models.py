from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from events.ids import uuid7
from events.moves import Moving, Table
from vault.fields import EncryptedTextField


class Event(models.Model):
    """One thing that happened. `sequence` counts 1, 2, 3 ... within a subject, without gaps.

    `hash` covers every column but `seal_number`, the hash before it in the subject included. The database fills both
    hashes, and overwrites what an INSERT says of them.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    type = models.CharField(max_length=100)
    subject = models.CharField(max_length=300, help_text="Whose history this is: user:<id>, plan:<id>, zone:<code> ...")
    sequence = models.PositiveBigIntegerField()
    object = models.CharField(max_length=300, help_text="What changed, such as payment:<id>.")
    actor = models.CharField(max_length=300)
    request_id = models.CharField(max_length=64, blank=True)
    data = models.JSONField(default=dict)
    at = models.DateTimeField(help_text="When it happened, by the cause's clock.")
    created_at = models.DateTimeField(db_default=Now())
    previous_hash = models.BinaryField(db_default=b"", editable=False)
    hash = models.BinaryField(db_default=b"", editable=False)
    seal_number = models.BigIntegerField(null=True, editable=False, help_text="Which seal covers it.")

    class Meta:
        constraints = (models.UniqueConstraint(fields=["subject", "sequence"], name="one_event_per_sequence"),)
        indexes = (
            models.Index(fields=["object"], name="event_object"),
            models.Index(fields=["type", "created_at"], name="event_type"),
            models.Index(fields=["seal_number"], name="event_seal"),
        )

    def __str__(self) -> str:
        return f"{self.subject} #{self.sequence} {self.type}"


class Seal(models.Model):
    """A signed statement of which events there were. `leaves` are their hashes, 32 bytes each, in order of event id."""

    number = models.BigIntegerField(primary_key=True, help_text="1, 2, 3 ... without gaps.")
    at = models.DateTimeField()
    leaves = models.BinaryField()
    previous_hash = models.BinaryField(help_text="The hash of the seal before it.")
    key = models.CharField(max_length=64, help_text="The public key (Ed25519, hex) that verifies it.")
    signature = models.BinaryField()

    def __str__(self) -> str:
        return f"seal {self.number}"


class Salt(models.Model):
    """What makes a person's commitments checkable. Erasing it makes them say nothing, and breaks no chain."""

    subject = models.CharField(primary_key=True, max_length=300)
    salt = models.BinaryField()

    def __str__(self) -> str:
        return f"salt of {self.subject}"


class Mail(Moving):
    """An e-mail that shall leave, written in the transaction of what it tells of.

    Whom it goes to and what it says are sealed, and forgotten once it has left.
    """

    class Status(models.TextChoices):
        QUEUED = "queued"
        SENT = "sent"
        FAILED = "failed"

    NEXT: ClassVar[Table] = {
        Status.QUEUED: {Status.SENT, Status.FAILED},
        Status.SENT: set(),
        Status.FAILED: set(),
    }

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subject = models.CharField(max_length=300, help_text="Whose history tells why: user:<id>.")
    template = models.CharField(max_length=100, help_text="What it says, in templates/emails.")
    recipient = EncryptedTextField(blank=True)
    context = EncryptedTextField(blank=True, help_text="What the template is filled with, as JSON.")
    attempts = models.PositiveSmallIntegerField(default=0)
    last_error = models.CharField(max_length=255, blank=True)
    due_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = (
            models.Index(fields=["due_at"], name="mail_due", condition=Q(status="queued")),
            models.Index(fields=["subject"], name="mail_of_subject"),
        )

    def __str__(self) -> str:
        return f"{self.template} {self.status}"
