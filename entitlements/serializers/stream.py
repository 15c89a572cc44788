from __future__ import annotations

from config.api import fields
from config.api.strict import Strict


class StreamQuery(Strict):
    user_id = fields.Text(required=False, max_length=255, help_text="The caller himself when left out (role user).")
