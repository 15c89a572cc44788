"""A use has one answer, by the lane and by the view; what is not plain the lane leaves to Django."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.wsgi import get_wsgi_application
from django.db import connection, transaction

from config import usage_lane
from entitlements import grants, snapshot
from entitlements.grants import Source
from entitlements.models import Entitlement, SourceType, UsageCounter, UsageEvent, UsageThreshold
from events import clock
from tests.api import token
from tests.config import test_check_lane
from tests.config.test_check_lane import Answer, forget
from tests.entitlements.conftest import a_version

PATH = usage_lane.PATH
GIVEN = Source(SourceType.PROMOTION, "a promotion")
CALLS = {"limit": 100, "period": "month", "warn_at": [50]}
USERS = ("ann", "o'brien <x>", "jürgen/1", "家", "\u2028", 'a"b\\c{d},NULL')


class Server(test_check_lane.Server):
    """The same, of uses."""

    def __init__(self) -> None:
        super().__init__()
        self.django = get_wsgi_application()
        self.both = {"view": self.django, "lane": usage_lane.before(self._counted)}

    def post(self, way: str, body: bytes | dict[str, Any], *, bearer: str, **environ: Any) -> Answer:
        """Record one use."""
        said = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        return self.ask(way, bearer=bearer, body=said, **{"PATH_INFO": PATH, **environ})


def give(user_id: str = "ann", **calls: Any) -> None:
    """Grant `calls` on these terms from yesterday on."""
    start = clock.now() - timedelta(days=1)
    version = a_version({"calls": {**CALLS, **calls}})
    with transaction.atomic():
        end = start + timedelta(days=300)
        grants.grant(user_id, version, source=GIVEN, starts_at=start, ends_at=end, at=start)


def said(event_id: str, user_id: str = "ann", **more: Any) -> dict[str, Any]:
    return {"user_id": user_id, "feature_code": "calls", "event_id": event_id, **more}


@pytest.fixture
def server(books: None, settings: LazySettings) -> Iterator[Server]:
    settings.RATE_LIMITED = True
    forget(settings)
    yield Server()
    forget(settings)


@pytest.fixture
def bearer(server: Server) -> str:
    """A service's token, and a lane that has seen one answer."""
    given = token("shop", "service")
    give("first")
    assert server.post("lane", said("first", "first"), bearer=given)[0] == "201 Created"
    server.asked = 0
    return given


def alike(answer: Answer) -> Any:
    return test_check_lane.alike(answer, b"id|at|recorded_at|request_id|event_id|start|end")


class Ways:
    """Asks by the view and by the lane, each from a new count and for users of its own."""

    def __init__(self, server: Server, settings: LazySettings, bearer: str):
        self.server, self.settings, self.bearer = server, settings, bearer
        self.other: dict[str, Any] = {}
        self.status: dict[str, str] = {}
        self.by_django: list[str] = []
        self.count = 0

    def ask(self, name: str, body: bytes | dict[str, Any], **environ: Any) -> None:
        """Ask the same under two ids; keep what differs, the status, and whether the lane asked Django."""
        found = []
        for way in ("view", "lane"):
            self.server.forget(self.settings)
            self.server.asked = 0
            self.count += 1
            number = f"{self.count:05d}"
            if isinstance(body, bytes):
                mine: bytes | dict[str, Any] = body.replace(b"NUMBER", number.encode())
            else:
                mine = {**body, "event_id": f"{body.get('event_id', '')}{number}"}
            found.append(alike(self.server.post(way, mine, **{"bearer": self.bearer, **environ})))
        self.status[name] = found[0][0][:3]
        self.by_django += [name] if self.server.asked else []
        if found[0] != found[1]:
            self.other[name] = found


@pytest.fixture
def ways(server: Server, settings: LazySettings, bearer: str) -> Ways:
    return Ways(server, settings, bearer)


@pytest.mark.parametrize("limited", [True, False])
def test_a_plain_use_has_one_answer_on_both_ways(ways: Ways, settings: LazySettings, limited: bool) -> None:
    """And Django was not asked for it."""
    settings.RATE_LIMITED = limited
    for user_id in USERS:
        give(user_id)
    give("soft", limit=0, soft=True, warn_at=[])
    give("endless", limit=None)
    relearn(ways.server, ways.bearer)
    moment = (clock.now() - timedelta(hours=1)).isoformat()

    for number, user_id in enumerate(USERS):
        ways.ask(f"user {number}", said("e", user_id))
    ways.ask("units", said("e", units=7))
    ways.ask("an id that is quoted", said('"\\{},NULL'))
    ways.ask("a moment", said("e", at=moment))
    ways.ask("a moment elsewhere", said("e", at=(clock.now() - timedelta(hours=1)).isoformat()[:19] + "+02:00"))
    ways.ask("above a soft limit", said("e", "soft"))
    ways.ask("endless", said("e", "endless", units=10**15))
    ways.ask("spaces", b'\n{ "user_id" : "ann", "feature_code":"calls","event_id": "NUMBER" }  ')

    assert ways.other == {}
    assert set(ways.status.values()) == {"201"}
    assert ways.by_django == []
    assert require_even() > 0


def relearn(server: Server, bearer: str) -> None:
    """Let the lane learn its headers of a quota that is another now, or none."""
    server.both["lane"]._layouts._learned.clear()
    server.both["lane"]._callers._known.clear()
    assert server.post("lane", said("again", "first"), bearer=bearer)[0] == "201 Created"


def require_even() -> int:
    counted = sum(UsageCounter.objects.filter(member="").values_list("used", flat=True))
    assert counted == sum(UsageEvent.objects.values_list("units", flat=True))
    return int(counted)


UNUSUAL: dict[str, tuple[bytes | dict[str, Any], dict[str, Any]]] = {
    "metadata": (said("e", metadata={"a": "b"}), {}),
    "no units": (said("e", units=0), {}),
    "units below 0": (said("e", units=-1), {}),
    "too many units": (said("e", units=101), {}),
    "far too many units": (said("e", units=10**15 + 1), {}),
    "a text for units": (said("e", units="1"), {}),
    "a fraction": (said("e", units=1.0), {}),
    "true": (said("e", units=True), {}),
    "null": (said("e", units=None), {}),
    "no such feature": ({**said("e"), "feature_code": "nothing"}, {}),
    "not metered": ({**said("e"), "feature_code": "pdf"}, {}),
    "never granted": (said("e", "nobody"), {}),
    "no user": ({"feature_code": "calls", "event_id": "e"}, {}),
    "an empty user": (said("e", ""), {}),
    "a long user": (said("e", "x" * 256), {}),
    "a long id": (said("x" * 256), {}),
    "no id": (b'{"user_id":"ann","feature_code":"calls"}', {}),
    "an unknown field": (said("e", more=1), {}),
    "a moment to come": (said("e", at="8999-01-01T00:00:00Z"), {}),
    "a moment before": (said("e", at="1999-01-01T00:00:00Z"), {}),
    "no offset": (said("e", at="2026-01-31T12:00:00"), {}),
    "a name twice": (b'{"user_id":"ann","feature_code":"calls","event_id":"z","user_id":"ben"}', {}),
    "a number twice": (b'{"user_id":"ann","feature_code":"calls","event_id":"z","units":1,"units":2}', {}),
    "a list": (b"[]", {}),
    "a text": (b'"{"', {}),
    "no JSON": (b"{", {}),
    "NaN": (b'{"user_id":"ann","feature_code":"calls","event_id":"z","units":NaN}', {}),
    "many digits": (b'{"user_id":"ann","feature_code":"calls","event_id":"z","units":' + b"1" * 400 + b"}", {}),
    "NUL": (b'{"user_id":"\\u0000","feature_code":"calls","event_id":"z"}', {}),
    "half a pair": (b'{"user_id":"\\ud800","feature_code":"calls","event_id":"z"}', {}),
    "a raw control": (b'{"user_id":"a\x01","feature_code":"calls","event_id":"z"}', {}),
    "not UTF-8": (b'{"user_id":"\xff","feature_code":"calls","event_id":"z"}', {}),
    "a long body": (b'{"user_id":"ann"}' + b" " * 5000, {}),
    "a huge body": (b'{"user_id":"ann"}' + b" " * 300_000, {}),
    "a query too": (said("e"), {"QUERY_STRING": "a=1"}),
    "another type": (said("e"), {"CONTENT_TYPE": "text/plain"}),
    "a cloud event": (said("e"), {"CONTENT_TYPE": "application/cloudevents+json"}),
    "a charset": (said("e"), {"CONTENT_TYPE": "application/json; charset=utf-8"}),
    "no type": (said("e"), {"CONTENT_TYPE": None}),
    "no length": (said("e"), {"CONTENT_LENGTH": None}),
    "PUT": (said("e"), {"REQUEST_METHOD": "PUT"}),
    "an origin": (said("e"), {"HTTP_ORIGIN": "https://a.example"}),
    "a cookie": (said("e"), {"HTTP_COOKIE": "sessionid=1"}),
    "a key": (said("e"), {"HTTP_IDEMPOTENCY_KEY": "k"}),
    "a strange host": (said("e"), {"HTTP_HOST": "evil.example"}),
    "https behind a proxy": (said("e"), {"HTTP_X_FORWARDED_PROTO": "https"}),
    "a slash more": (said("e"), {"PATH_INFO": PATH + "/"}),
    "no token": (said("e"), {"HTTP_AUTHORIZATION": None}),
    "no JWT": (said("e"), {"HTTP_AUTHORIZATION": "Bearer x.y.z"}),
    "two tokens": (said("e"), {"HTTP_BETTER_AUTH_TOKEN": "x.y.z"}),
    "a request id": (said("e"), {"HTTP_X_REQUEST_ID": "mine-1"}),
    "a bad request id": (said("e"), {"HTTP_X_REQUEST_ID": "a b"}),
    "a reason": (said("e"), {"HTTP_CHANGE_REASON": "because"}),
}


def test_the_unusual_has_one_answer_on_both_ways(ways: Ways) -> None:
    give()

    for name, (body, environ) in UNUSUAL.items():
        ways.ask(name, body, **environ)

    assert ways.other == {}
    require_even()


def test_every_caller_has_one_answer_on_both_ways(ways: Ways) -> None:
    give()

    for role in ("user", "service", "support", "admin", "nobody"):
        ways.ask(role, said("e"), bearer=token("ann", role))
    for scope in (None, "", "check", "admin", "usage:write", 1):
        ways.ask(f"scope {scope}", said("e"), bearer=token("shop", "service", scope=scope))

    assert ways.other == {}
    good = {"service", "admin", "scope None", "scope admin", "scope usage:write"}
    assert {name for name, status in ways.status.items() if status == "201"} == good


def test_a_spent_quota_has_one_answer_on_both_ways(ways: Ways, settings: LazySettings) -> None:
    """What Django answers after the lane has counted it is not counted again."""
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "service_checks": 7}
    relearn(ways.server, ways.bearer)
    found = {}
    for way in ("view", "lane"):
        give(way)
        ways.server.forget(settings)
        bodies = [said(f"{way} {n}", way, units=101 if n == 2 else 1) for n in range(7)] + [said(f"{way} 0", way)] * 2
        found[way] = [alike(ways.server.post(way, body, bearer=ways.bearer)) for body in bodies]

    left = {way: [re.sub(rb'"user_id":"\w+"', b"", text) for *_, text in answers] for way, answers in found.items()}
    assert left["view"] == left["lane"]
    assert [each[:2] for each in found["view"]] == [each[:2] for each in found["lane"]]
    assert [status[:3] for status, *_ in found["lane"]] == ["201", "201", "409", *["201"] * 4, "429", "429"]
    assert UsageEvent.objects.filter(user_id="lane").count() == 6


def test_an_id_names_one_use_whichever_way_it_came(server: Server, bearer: str) -> None:
    """A replay brings the same row and changes nothing; another body is refused."""
    give()

    made = server.post("lane", said("e"), bearer=bearer)
    assert server.asked == 0
    again = {way: server.post(way, said("e"), bearer=bearer) for way in ("lane", "view")}
    other = server.post("lane", said("e", units=2), bearer=bearer)
    by_view = server.post("view", said("f"), bearer=bearer)

    assert {text for *_, text in again.values()} == {made[2]}
    assert all(("Idempotent-Replayed", "true") in headers for _, headers, _ in again.values())
    assert other[0].startswith("422")
    assert server.post("lane", said("f"), bearer=bearer)[2] == by_view[2]
    assert UsageEvent.objects.filter(user_id="ann").count() == 2


def test_a_threshold_is_told_once_and_a_change_counts_at_once(server: Server, bearer: str) -> None:
    give()

    for number in range(60):
        assert server.post("lane", said(f"e-{number}"), bearer=bearer)[0] == "201 Created"
    assert server.asked == 1
    assert list(UsageThreshold.objects.values_list("subject", "percent", "used")) == [("user:ann", 50, 50)]

    with transaction.atomic():
        Entitlement.objects.filter(user_id="ann").update(limit=60)
    assert server.post("lane", said("one more"), bearer=bearer)[0] == "409 Conflict"


def test_64_threads_never_pass_a_hard_limit(server: Server, bearer: str, settings: LazySettings) -> None:
    """They go together; what was refused was not counted, and each was told what became of his."""
    settings.RATE_LIMITED = False
    server.both["lane"]._callers._known.clear()
    give(limit=100, warn_at=[50, 100])
    answers = at_once(server, bearer, [said(f"e-{number}", units=number % 3 + 1) for number in range(192)])

    counter = UsageCounter.objects.get(subject="user:ann")
    assert counter.used == 100
    good = {json.loads(text)["id"] for status, _, text in answers if status.startswith("201")}
    rows = UsageEvent.objects.filter(user_id="ann")
    assert good == {str(row.pk) for row in rows}
    assert sum(rows.values_list("units", flat=True)) == 100
    assert {status[:3] for status, *_ in answers} == {"201", "409"}
    assert sorted(UsageThreshold.objects.values_list("percent", flat=True)) == [50, 100]


def test_who_comes_with_others_is_told_of_his_own(server: Server, bearer: str, settings: LazySettings) -> None:
    """One cannot be read, one is of no feature, one does not fit, one id comes often: the others do not mind."""
    settings.RATE_LIMITED = False
    server.both["lane"]._callers._known.clear()
    give()
    give("ben", warn_at=[])
    bodies: list[Any] = []
    for number in range(10):
        bodies += [
            said(f"good {number}", "ben"),
            {**said(f"unread {number}"), "more": 1},
            {**said(f"unknown {number}"), "feature_code": "nothing"},
            said(f"large {number}", units=101),
            said("often", units=2),
            said("other", units=number + 1),
        ]

    answers = at_once(server, bearer, bodies, workers=30)

    codes = [[status[:3] for status, *_ in answers[kind::6]] for kind in range(6)]
    assert codes[:5] == [["201"] * 10, ["400"] * 10, ["409"] * 10, ["409"] * 10, ["201"] * 10]
    assert sorted(codes[5]) == ["201"] + ["422"] * 9
    assert len({text for *_, text in answers[4::6]}) == 1
    assert sum(("Idempotent-Replayed", "true") in headers for _, headers, _ in answers[4::6]) == 9
    assert UsageCounter.objects.get(subject="user:ben").used == 10
    other = UsageEvent.objects.get(event_id="other")
    assert UsageCounter.objects.get(subject="user:ann").used == 2 + other.units


def at_once(server: Server, bearer: str, bodies: list[dict[str, Any]], workers: int = 64) -> list[Answer]:
    """Send all through one gate."""
    answers: list[Any] = [None] * len(bodies)
    gate = threading.Barrier(workers)

    def work(first: int) -> None:
        gate.wait()
        for number in range(first, len(bodies), workers):
            answers[number] = server.post("lane", bodies[number], bearer=bearer)
        connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_what_is_not_near_is_read(server: Server, bearer: str) -> None:
    give()
    snapshot.forget()

    assert server.post("lane", said("e"), bearer=bearer)[0] == "201 Created"
    assert server.asked == 0


def test_the_setting_closes_the_lane(settings: LazySettings) -> None:
    django = get_wsgi_application()

    settings.USAGE_FAST_LANE = False

    assert usage_lane.before(django) is django
