"""A bulk check has one answer, by the lane and by the view, byte for byte; the unusual the lane leaves to Django."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from config import bulk_lane, metrics
from config.lane_lists import Lists
from config.lane_pages import Page, _body
from config.lane_recent import Recent
from entitlements import access, families, grants, invitations, overrides, snapshot, usage
from entitlements.access import Question
from entitlements.decisions import KEPT
from entitlements.grants import Source
from entitlements.models import Entitlement, SourceType
from entitlements.overrides import Ruling
from entitlements.serializers.answers import shown
from entitlements.serializers.rendering import rendered
from entitlements.usage import Use
from events import clock
from events.asking import Asking
from pricing import plans
from pricing.models import Feature
from tests.api import token
from tests.config import test_check_lane, test_logs
from tests.config.test_check_lane import BAD, GIVEN, ROLES, UNUSUAL, USERS, Answer, alike, forget
from tests.entitlements.conftest import DAY, TICK, a_version
from tests.entitlements.nearby import a_line

lines = test_logs.lines
NOBODY = Asking("admin:root", None, "")
CODES = ["pdf", "calls", "disk", "help", "charts"]
EVERYBODY = [*USERS, "old", "soon", "user", "olga", "mia", "denied", "allowed", "more", "nobody"]


class Server(test_check_lane.Server):
    """The same of the bulk lane: a question is a body."""

    def __init__(self) -> None:
        super().__init__()
        self.both["lane"] = bulk_lane.before(self._counted)

    def ask(self, way: str, query: str = "", *, bearer: str | None = None, body: bytes = b"", **environ: Any) -> Answer:
        # The time is known, as where somebody always asks.
        clock.now()
        return super().ask(way, query, bearer=bearer, body=body, **{"PATH_INFO": bulk_lane.PATH, **environ})


class Ways(test_check_lane.Ways):
    """Both ways; and each answer is that of the functions at the moment that it names, with every moment in it."""

    def ask(self, name: str, query: str = "", **said: Any) -> None:
        super().ask(name, query, **said)
        body, asked = said.get("body", b""), self.server.asked
        if self.status[name] == "200" and body.startswith(b"{") and b'"at"' not in body:
            told = self.server.ask("lane", query, **said)[2]
            if told != by_the_functions(body, json.loads(told)):
                self.other[f"{name}, moments"] = [told]
        self.server.asked = asked


def by_the_functions(body: bytes, told: dict[str, Any]) -> bytes:
    asked, at = json.loads(body), clock.near()
    if told["data"]:
        at = datetime.fromisoformat(told["data"][0]["as_of"])
    users = [json.loads(each) for each in dict.fromkeys(map(json.dumps, asked["user_ids"]))]
    known = [snapshot.current(each) for each in users if isinstance(each, str) and 0 < len(each) < 256]
    questions = [Question(each, code) for each in known for code in dict.fromkeys(asked["feature_codes"])]
    connection.close()
    return rendered({"data": [shown(each) for each in access.answers(questions, at=at)], "errors": told["errors"]})


def bulk(users: Any = ("ann",), codes: Any = ("pdf",), **more: Any) -> bytes:
    return json.dumps({"user_ids": users, "feature_codes": codes, **more}, ensure_ascii=False).encode()


PLAIN = bulk()


@pytest.fixture
def granted(books: None) -> None:
    now = clock.now()
    version, start = a_version(), now - DAY
    ends = {**dict.fromkeys(EVERYBODY[:-1], start + 30 * DAY), "old": now - DAY / 24, "soon": now + KEPT / 3}
    ends = {user_id: end for user_id, end in ends.items() if user_id not in ("olga", "mia")}
    with transaction.atomic():
        for user_id, end in ends.items():
            grants.grant(user_id, version, source=GIVEN, starts_at=start, ends_at=end, at=start)
        of_olga = Source(SourceType.PROMOTION, "olga's")
        home = plans.for_sale("family-yearly")
        grants.grant("olga", home, source=of_olga, starts_at=start, ends_at=start + 30 * DAY, at=start)
    usage.record(Use("user", "calls", 90, "u-1"), principal="service:shop", now=now)
    usage.record(Use("user", "disk", 5, "u-2"), principal="service:shop", now=now)
    family, _ = families.create("olga", name="Home", asking=NOBODY, at=now)
    invitations.accept(invitations.invite(family, "mia", asking=NOBODY, at=now)[0], "mia", at=now)
    rulings = {
        "denied": [Ruling("pdf", "deny", ends_at=now + DAY), Ruling("calls", "deny")],
        "allowed": [Ruling("charts", "allow"), Ruling("calls", "allow", ends_at=now + KEPT / 2)],
        "more": [Ruling("help", "value", value="phone"), Ruling("calls", "value", has_limit=True, limit=7)],
    }
    for user_id, each in rulings.items():
        for ruling in each:
            overrides.add(user_id, ruling, reason="asked for", asking=NOBODY)


@pytest.fixture
def server(granted: None, settings: LazySettings) -> Iterator[Server]:
    settings.RATE_LIMITED = True
    forget(settings)
    with a_line():
        yield Server()
    forget(settings)


@pytest.fixture
def ways(server: Server, settings: LazySettings) -> Ways:
    return Ways(server, settings)


def learn(server: test_check_lane.Server, *, role: str = "service") -> str:
    """Let the lane see one answer of Django's."""
    given = token("ann", role)
    server.ask("lane", bearer=given, body=PLAIN)
    server.asked = 0
    return given


LISTS: dict[str, bytes] = {
    "one of each": PLAIN,
    "one user, many features": bulk(["ann"], [*CODES, *(f"feature-{number}" for number in range(95))]),
    "one user, nothing counted": bulk(["ann"], ["pdf", "help", "charts", "nothing"]),
    "many users, one feature": bulk(EVERYBODY),
    "many users, a counted feature": bulk(EVERYBODY, ["calls"]),
    "a hundred users": bulk([*USERS, *(f"u-{number}" for number in range(94))], ["help"]),
    "many of each": bulk(EVERYBODY, [*CODES, "export", "api_calls", "nothing", "family's"]),
    "what was used": bulk(["user"], ["calls", "disk"]),
    "users twice": bulk(["ann", "old", "ann"], ["pdf"]),
    "features twice": bulk(["ann"], ["pdf", "charts", "pdf"]),
    "the other order": b'{"feature_codes":["pdf"],"user_ids":["ann"]}',
    "spaces": b' {"user_ids" : [ "ann" ], "feature_codes" : [ "pdf" ] }\n',
    "escapes": b'{"user_ids":["j\\u00fcrgen/1","\\ud83d\\ude00","\\"\\\\"],"feature_codes":["pdf","\\u2028"]}',
    "odd features": bulk(["ann"], ["<&>", "\u2029", "家", " ", "a" * 100]),
    "who cannot be": bulk([7, "ann", "", "x" * 256, None, ["ann"], {"a": 1}, "ann", True, 1.5]),
    "a long user": bulk(["x" * 255]),
}


@pytest.mark.parametrize("limited", [True, False])
def test_a_plain_question_has_one_answer_on_both_ways(ways: Ways, settings: LazySettings, limited: bool) -> None:
    """And Django was not asked for it."""
    settings.RATE_LIMITED = limited
    given = learn(ways.server)

    for name, body in LISTS.items():
        ways.ask(name, bearer=given, body=body)

    assert ways.other == {}
    assert set(ways.status.values()) == {"200"}
    assert ways.by_django == []


BODIES: dict[str, tuple[bytes, dict[str, Any]]] = {
    "no JSON": (b"{", {}),
    "a list": (b"[]", {}),
    "null": (b"null", {}),
    "an empty object": (b"{}", {}),
    "no users": (b'{"feature_codes":["pdf"]}', {}),
    "no features": (b'{"user_ids":["ann"]}', {}),
    "an empty list of users": (bulk([]), {}),
    "an empty list of features": (bulk(codes=[]), {}),
    "101 users": (bulk([f"u-{number}" for number in range(101)]), {}),
    "101 features": (bulk(codes=[f"f-{number}" for number in range(101)]), {}),
    "101 times the same": (bulk(["ann"] * 101, ["pdf"] * 101), {}),
    "nobody who can be": (bulk([7, ""]), {}),
    "a text for users": (bulk("ann"), {}),
    "a text for features": (bulk(codes="pdf"), {}),
    "null for users": (bulk(None), {}),
    "an object for users": (bulk({"0": "ann"}), {}),
    "a number for a feature": (bulk(codes=["pdf", 7]), {}),
    "null for a feature": (bulk(codes=[None]), {}),
    "an empty feature": (bulk(codes=["pdf", ""]), {}),
    "a long feature": (bulk(codes=["x" * 101]), {}),
    "a name twice": (b'{"user_ids":["ann"],"feature_codes":["pdf"],"user_ids":["old"]}', {}),
    "an unknown field": (bulk(more=1), {}),
    "explain": (bulk(explain=True), {}),
    "at": (bulk(at="2026-01-31T12:00:00Z"), {}),
    "at to come": (bulk(at="2126-01-31T12:00:00Z"), {}),
    "a bad at": (bulk(at="yesterday"), {}),
    "null for at": (bulk(at=None), {}),
    "not UTF-8": (b'{"user_ids":["\xff"],"feature_codes":["pdf"]}', {}),
    "NUL": (b'{"user_ids":["\\u0000"],"feature_codes":["pdf"]}', {}),
    "half a pair": (b'{"user_ids":["\\ud800"],"feature_codes":["pdf"]}', {}),
    "a long body": (PLAIN + b" " * 64_000, {}),
    "a longer body": (PLAIN + b" " * 66_000, {}),
    "a huge body": (PLAIN + b" " * 300_000, {}),
    "a query too": (PLAIN, {"QUERY_STRING": "a=1"}),
    "another type": (PLAIN, {"CONTENT_TYPE": "text/plain"}),
    "a charset": (PLAIN, {"CONTENT_TYPE": "application/json; charset=utf-8"}),
    "another charset": (PLAIN, {"CONTENT_TYPE": "application/json; charset=x"}),
    "no type": (PLAIN, {"CONTENT_TYPE": None}),
    "a shorter length": (PLAIN, {"CONTENT_LENGTH": "10"}),
    "no length": (PLAIN, {"CONTENT_LENGTH": None}),
    "no number for a length": (PLAIN, {"CONTENT_LENGTH": "x"}),
    "GET": (b"", {"REQUEST_METHOD": "GET"}),
}


def test_an_unusual_body_has_one_answer_on_both_ways(ways: Ways) -> None:
    given = learn(ways.server)

    for name, (body, environ) in BODIES.items():
        ways.ask(name, body=body, bearer=given, **environ)

    assert ways.other == {}
    assert set(ways.by_django) == BODIES.keys() - {"a long body"}
    assert {name for name, status in ways.status.items() if status == "200"} == {
        *("nobody who can be", "at", "at to come", "a long body", "a charset"),
    }


def test_an_unusual_request_has_one_answer_on_both_ways(ways: Ways) -> None:
    given = learn(ways.server)

    for name, (_, environ) in UNUSUAL.items():
        if "wsgi.input" not in environ:
            ways.ask(name, body=PLAIN, bearer=given, **{"REQUEST_METHOD": "POST", **environ})

    assert ways.other == {}
    assert "a request id" not in ways.by_django


def test_every_caller_has_one_answer_on_both_ways(ways: Ways) -> None:
    """His own, foreign users, which are a 404, and both; a member of the family that one leads is Django's matter."""
    learn(ways.server, role="user")
    learn(ways.server)
    lists = {"own": ["ann"], "foreign": ["ben"], "both": ["ann", "ben"], "twice": ["ann", "ann"], "odd": ["ann", 7]}

    for role, user_id in ROLES:
        for name, users in lists.items():
            ways.ask(f"{role} {user_id} {name}", body=bulk(users, CODES), bearer=token(user_id, role))
    for users in (["olga"], ["olga", "mia"], ["mia"]):
        ways.ask(f"olga of {users}", body=bulk(users, ["export"]), bearer=token("olga", "user"))
    ways.ask("mia of olga", body=bulk(["olga"], ["export"]), bearer=token("mia", "user"))

    assert ways.other == {}
    assert {name for name, status in ways.status.items() if name.startswith("user ann") and status == "200"} == {
        *("user ann own", "user ann twice", "user ann odd"),
    }
    assert (ways.status["olga of ['olga', 'mia']"], ways.status["mia of olga"]) == ("200", "404")
    of_family = {"olga of ['olga', 'mia']", "olga of ['mia']"}
    assert set(ways.by_django) - of_family == {name for name, status in ways.status.items() if status != "200"}


def test_the_scope_of_a_service_counts_on_both_ways(ways: Ways) -> None:
    learn(ways.server)

    for scope in (None, "", "check", "admin", "usage:write", "events:read check", 1, ["check"]):
        ways.ask(str(scope), body=PLAIN, bearer=token("shop", "service", scope=scope))

    assert ways.other == {}
    assert {name for name, status in ways.status.items() if status == "200"} == {
        *("None", "check", "admin", "events:read check"),
    }


def test_a_bad_token_has_one_answer_on_both_ways(ways: Ways) -> None:
    learn(ways.server)
    now = int(time.time())

    for name, claims in BAD.items():
        made = {claim: now + value if claim in ("exp", "iat") and value else value for claim, value in claims.items()}
        ways.ask(name, body=PLAIN, bearer=token("shop", "service", **made))

    assert ways.other == {}
    assert set(ways.status.values()) == {"401"}


def test_a_token_ends_on_time_in_the_lane_too(server: Server) -> None:
    learn(server)
    given = token("shop", "service", exp=int(time.time()) - 28, iat=int(time.time()) - 60)

    assert server.ask("lane", bearer=given, body=PLAIN)[0] == "200 OK"

    lane: Any = server.both["lane"]
    assert lane._callers._known[f"Bearer {given}"].until <= time.time() + 3


def test_a_spent_quota_has_one_answer_on_both_ways(ways: Ways, settings: LazySettings) -> None:
    """A request counts once, whoever answers it, and however many it asks about; Django says the no."""
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "service_checks": 7}
    given, found = learn(ways.server), []
    bodies = [PLAIN, LISTS["many of each"], bulk(at="2126-01-31T12:00:00Z"), bulk([]), PLAIN]
    for way in ("view", "lane"):
        ways.server.forget(settings)
        found.append([alike(ways.server.ask(way, bearer=given, body=bodies[place % 5])) for place in range(9)])

    assert found[0] == found[1]
    assert [status[:3] for status, *_ in found[1]] == ["200", "200", "200", "400", "200"] + ["200"] * 2 + ["429"] * 2


def test_a_users_quota_is_the_same_on_both_ways(ways: Ways, settings: LazySettings) -> None:
    """Foreign users and bodies that cannot be read count too."""
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "default": 7}
    given, found = learn(ways.server, role="user"), []
    bodies = [PLAIN, bulk(["ben"]), b"{", bulk(["ann", "ben"])]
    for way in ("view", "lane"):
        ways.server.forget(settings)
        found.append([alike(ways.server.ask(way, bearer=given, body=bodies[place % 4])) for place in range(9)])

    assert found[0] == found[1]
    assert [status[:3] for status, *_ in found[1]] == ["200", "404", "400", "404"] + ["200", "404", "400"] + ["429"] * 2


def test_the_lane_counts_as_django_does_and_writes_no_line(
    server: Server, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    given = learn(server)
    counted = metrics.REQUESTS.labels("POST", bulk_lane.PATH[1:], 200)
    lane: Any = server.both["lane"]
    lane._tally.tell()
    before, written = counted._value.get(), len(lines())

    for _ in range(3):
        server.ask("lane", bearer=given, body=PLAIN)
    lane._tally.tell()

    assert (counted._value.get() - before, server.asked) == (3, 0)
    assert len(lines()) == written


def reasons(server: Server, given: str, body: bytes) -> list[str]:
    told = server.ask("lane", bearer=given, body=body)[2]
    assert told == by_the_functions(body, json.loads(told))
    return [each["reason_code"] for each in json.loads(told)["data"]]


def test_a_change_shows_in_the_next_answer(server: Server) -> None:
    """What was kept is told only of the same facts: grants, overrides, families, uses, features."""
    given, ann = learn(server), bulk(["ann", "o'brien <x>"], ["pdf", "charts", "calls"])
    kin = bulk(["mia"], ["export"])
    assert reasons(server, given, ann) == ["granted", "no_entitlement", "within_limit"] * 2
    assert reasons(server, given, kin) == ["granted"]

    usage.record(Use("ann", "calls", 100, "u-3"), principal="service:shop", now=clock.now())
    assert reasons(server, given, ann) == ["granted", "no_entitlement", "limit_reached"] + [
        *("granted", "no_entitlement", "within_limit")
    ]
    with transaction.atomic():
        grants.revoke(GIVEN, reason="refund", at=clock.now())
    assert reasons(server, given, ann) == ["revoked", "no_entitlement", "revoked"] * 2
    ruling, _ = overrides.add("ann", Ruling("charts", "allow"), reason="asked for", asking=NOBODY)
    assert reasons(server, given, ann)[:3] == ["revoked", "override_allow", "revoked"]
    overrides.remove(ruling, reason="it is over")
    assert reasons(server, given, ann)[:3] == ["revoked", "no_entitlement", "revoked"]
    family = families.of_user("olga").get()
    families.remove(family, "mia", at=clock.now())
    assert reasons(server, given, kin) == ["no_entitlement"]
    Feature.objects.filter(code="charts").update(archived_at=clock.now())
    assert reasons(server, given, ann)[:3] == ["revoked", "feature_archived", "revoked"]
    assert server.asked == 0


def page_of(server: Server, body: bytes) -> Page:
    lane: Any = server.both["lane"]
    listed = lane._lists.of(body)
    return lane._pages._kept.get((listed.user_ids[0], listed.name))  # type: ignore[no-any-return]


def test_a_kept_answer_ends_before_the_grant_and_is_right_at_every_moment_on_the_way(server: Server) -> None:
    """Nothing is written when a date passes."""
    given, body = learn(server), bulk(["ann"], CODES)
    lane: Any = server.both["lane"]
    listed = lane._lists.of(body)
    reasons(server, given, body)
    end = Entitlement.objects.get(user_id="ann", feature_id="pdf").ends_at
    assert end
    page, known = page_of(server, body), snapshot.current("ann")
    assert page.until == clock.microseconds(end - KEPT)
    questions = [Question(known, code) for code in CODES]

    now = time.monotonic()
    assert lane._pages._ready(listed, now, page.until) is None
    assert lane._pages._ready(listed, now, page.since - 1) is None
    for kept in (page.since, page.since + 1, page.until - 1):
        at = clock.EPOCH + timedelta(microseconds=kept)
        assert lane._pages._ready(listed, now, kept) == [page]
        told = _body([page], at, listed.ending)
        assert told == rendered({"data": [shown(each) for each in access.answers(questions, at=at)], "errors": []})
    for at in (
        end - KEPT - TICK,
        end - KEPT,
        end - KEPT + TICK,
        end - TICK,
        end,
        end + TICK,
        end.replace(microsecond=0),
    ):
        made = lane._pages._page(known, CODES, at)
        told = _body([made], at, listed.ending)
        assert told == rendered({"data": [shown(each) for each in access.answers(questions, at=at)], "errors": []})


def test_what_is_kept_is_told_without_a_question_and_what_is_counted_with_one(server: Server) -> None:
    given = learn(server)
    plain, counted = bulk([*USERS, "denied"], ["pdf", "help", "nothing"]), bulk([*USERS, "user"], ["calls", "disk"])
    for body in (plain, counted):
        server.ask("lane", bearer=given, body=body)

    for body, questions in ((plain, 0), (counted, 1)):
        clock.now()
        with CaptureQueriesContext(connection) as asked:
            test_check_lane.Server.ask(server, "lane", bearer=given, body=body, PATH_INFO=bulk_lane.PATH)
        assert len(asked) == questions
    assert server.asked == 0


def test_the_same_facts_read_again_take_nothing_anew(server: Server) -> None:
    """What a process remembers of a user ends after half a minute, and is mostly the same again."""
    given = learn(server)
    server.ask("lane", bearer=given, body=PLAIN)
    first = page_of(server, PLAIN)

    snapshot.forget()
    server.ask("lane", bearer=given, body=PLAIN)
    server.ask("lane", bearer=given, body=PLAIN)

    assert page_of(server, PLAIN) is first is not None
    assert first.known is snapshot.peek("ann")


class Thing:
    def __init__(self, size: int) -> None:
        self.size = size


def test_what_is_kept_stays_within_its_budget() -> None:
    recent: Recent[str, Thing] = Recent(100)

    for number in range(20):
        recent.put(f"{number % 7}", Thing(30))
    assert [name for name in map(str, range(7)) if recent.get(name)] == ["3", "4", "5"]
    assert recent.bytes == 90
    recent.put("large", Thing(101))
    assert (recent.get("large"), recent.bytes) == (None, 0)


def test_an_answer_knows_what_it_takes(server: Server) -> None:
    """Many features of one user are mostly what nobody has, and that is kept once for all."""
    given, codes = learn(server), [f"feature-{number}" for number in range(99)]
    for user_id in ("ann", "old"):
        server.ask("lane", bearer=given, body=bulk([user_id], ["pdf", *codes]))

    ann, old = (page_of(server, bulk([user_id], ["pdf", *codes])) for user_id in ("ann", "old"))

    assert all(one is other for one, other in zip(ann.parts[6::4], old.parts[6::4], strict=True))
    assert 100 * 4 * 8 < ann.size < 10_000
    assert Lists().of(bulk(["ann"], codes)).size < 5000  # type: ignore[union-attr]


def test_the_lane_can_be_closed(granted: None, settings: LazySettings) -> None:
    """By the setting of the other checks, read when the process starts."""
    settings.CHECK_FAST_LANE = False
    server = Server()

    given = learn(server)
    server.ask("lane", bearer=given, body=PLAIN)

    assert server.asked == 1


def test_a_lost_connection_costs_one_detour(server: Server) -> None:
    """Postgres has ended our connections: no check is refused."""
    given = learn(server)
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    bodies = [bulk([user_id], ["calls"]) for user_id in USERS]

    assert [server.ask("lane", bearer=given, body=body)[0] for body in bodies] == ["200 OK"] * len(USERS)
