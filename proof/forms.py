"""Reading a form out of a page, as a browser without JavaScript would."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass(slots=True)
class Form:
    """Where a form is sent, what it already holds, and which field is meant for what (HTML's autocomplete names)."""

    action: str
    method: str
    values: dict[str, str] = field(default_factory=dict)
    meant_for: dict[str, str] = field(default_factory=dict)

    def filled(self, **answers: str) -> dict[str, str]:
        """Return the form's data with the answers it asks for, by autocomplete name (`cc_number` for `cc-number`)."""
        given = {name.replace("_", "-"): value for name, value in answers.items()}
        asked = {self.meant_for[name]: value for name, value in given.items() if name in self.meant_for}
        return {**self.values, **asked}


class Page(HTMLParser):
    """The forms of a page, and what it says as an alert."""

    def __init__(self, html: str):
        super().__init__()
        self.forms: list[Form] = []
        self._alert: list[str] = []
        self._alert_depth = 0
        self._select = ""
        self.feed(html)

    @property
    def alert(self) -> str:
        """The text of elements with role="alert"."""
        return " ".join(" ".join(self._alert).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take in a form, a field, or the beginning of an alert."""
        given = {name: value or "" for name, value in attrs}
        if self._alert_depth or given.get("role") == "alert":
            self._alert_depth += tag not in {"br", "img", "input", "hr"}
        if tag == "form":
            self.forms.append(Form(given.get("action", ""), given.get("method", "get").lower()))
        elif self.forms and tag in {"input", "select", "button", "textarea"}:
            self._take(tag, given)
        elif self.forms and tag == "option" and self._select and ("selected" in given or not self._chosen):
            self.forms[-1].values[self._select] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        """Leave an alert or a select."""
        self._alert_depth = max(self._alert_depth - 1, 0)
        if tag == "select":
            self._select = ""

    def handle_data(self, data: str) -> None:
        """Keep the words of an alert."""
        if self._alert_depth:
            self._alert.append(data)

    @property
    def _chosen(self) -> bool:
        return self._select in self.forms[-1].values

    def _take(self, tag: str, given: dict[str, str]) -> None:
        name, kind, form = given.get("name", ""), given.get("type", "text"), self.forms[-1]
        if tag == "select":
            self._select = name
        elif name and self._is_sent(tag, kind, given, form):
            form.values[name] = given.get("value", "")
        for purpose in given.get("autocomplete", "").split():
            form.meant_for.setdefault(purpose, name)

    @staticmethod
    def _is_sent(tag: str, kind: str, given: dict[str, str], form: Form) -> bool:
        if kind in {"checkbox", "radio"}:
            return "checked" in given
        # The first button is the one that Enter presses.
        return not (tag == "button" or kind == "submit") or given["name"] not in form.values
