"""May this user do this, now? Asked from an application, over HTTP.

Owns:     a short memory of answers.
Answers:  what Farebox answers, and in its absence what the application chose for each feature.
Never:    says yes over an answer that is no, or sends a use twice under two ids.
Imports:  httpx; `farebox_client.django` and `farebox_client.drf` what their names say.
"""

from farebox_client.answers import Answers, Decision, Recorded, Wrong
from farebox_client.client import Farebox
from farebox_client.errors import FareboxError, NotEntitled, Refused, Unreachable
from farebox_client.guards import default, requires_feature, set_default
from farebox_client.reservations import Reservation
from farebox_client.sending import Patience

__all__ = [
    "Answers",
    "Decision",
    "Farebox",
    "FareboxError",
    "NotEntitled",
    "Patience",
    "Recorded",
    "Refused",
    "Reservation",
    "Unreachable",
    "Wrong",
    "default",
    "requires_feature",
    "set_default",
]
