"""History proves itself: what is changed, moved or taken out is found and named (AU-01)."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import DatabaseError, connection, transaction
from django.db.models import F

from events import chain, clock, sealing, witness
from events.models import Event, Seal
from tests.events.story import sealed_story, tamper, verify, write
from tests.shown import Shown

pytestmark = pytest.mark.usefixtures("blank")
TEXTS = ("type", "subject", "object", "actor", "request_id")
TIMES = ("at", "created_at")
BYTES = ("hash", "previous_hash")


@pytest.fixture
def blank(db: None, seals: Path) -> None:
    """Begin with no history: what the seeds wrote is out of the way."""
    with transaction.atomic():
        tamper("DELETE FROM events_event")


def test_each_event_holds_on_to_the_one_before_it() -> None:
    first, second = write(), write()
    other = write("user:ben")

    assert bytes(first.previous_hash) == bytes(other.previous_hash) == chain.NOTHING
    assert bytes(second.previous_hash) == bytes(first.hash)
    assert len({bytes(event.hash) for event in (first, second, other)}) == 3


@pytest.mark.parametrize(
    "data", [{}, {"b": 1, "aa": 1.50, "ä": ["\u2028", "\U0001f3ab", '"', "\\"]}, {"deep": {"null": None, "no": False}}]
)
def test_the_database_and_python_hash_a_row_alike(data: dict[str, Any]) -> None:
    write("user:ünï 😀", type="thing:1:2", **data)

    [row] = chain.rows()

    assert row.digest == row.hash
    assert verify() == ""


def test_an_insert_by_hand_cannot_say_its_own_hash_number_or_time() -> None:
    said: dict[str, Any] = {"type": "x", "subject": "user:anna", "object": "x:1", "actor": "mallory", "at": clock.now()}
    early = clock.now() - timedelta(days=9)

    made = Event.objects.create(**said, sequence=1, hash=b"1" * 32, seal_number=7, created_at=early)
    with pytest.raises(DatabaseError, match="goes on with number 2"), transaction.atomic():
        Event.objects.create(**said, sequence=3)

    made.refresh_from_db()
    assert made.created_at > early
    assert made.seal_number is None
    assert verify() == ""


def test_a_table_put_before_ours_does_not_fool_the_chain() -> None:
    """A temporary table is found before others, unless a function says where it looks."""
    write()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE events_event (LIKE public.events_event) ON COMMIT DROP")
        cursor.execute(
            "INSERT INTO public.events_event (id, type, subject, sequence, object, actor, request_id, data, at)"
            " VALUES (gen_random_uuid(), 'x', 'user:anna', 2, 'x:1', 'mallory', '', '{}', now())"
        )
        cursor.execute("DROP TABLE pg_temp.events_event")

    assert verify() == ""


def test_seals_cover_every_event_and_hold_on_to_each_other() -> None:
    story = sealed_story()

    sealed = list(sealing.statements())

    assert [said.number for said in sealed] == [1, 2, 3]
    assert sum(said.count for said in sealed) == len(story) == 36
    assert [said.previous_hash for said in sealed] == [chain.NOTHING, sealed[0].hash, sealed[1].hash]
    assert verify() == ""


def test_sealing_with_nothing_new_seals_nothing() -> None:
    write()

    counts = [sealing.seal_all(), sealing.seal_all(), witness.bear(), witness.bear()]

    assert counts == [1, 0, 1, 0]


def test_one_thousand_altered_bytes_are_found_and_the_row_is_named(shown: Shown, seals: Path) -> None:
    story, dice = sealed_story(), random.Random(20261121)
    assert verify() == ""
    columns = (*TEXTS, *TIMES, *BYTES, "id", "sequence", "data", "seal_number")
    found = named = 0

    for number in range(1000):
        event, column = dice.choice(story), columns[number % len(columns)]
        with transaction.atomic():
            assert tamper(*_altering(event, column, dice)) == 1
            fault = verify()
            transaction.set_rollback(True)
        found += bool(fault)
        named += _names(fault, event)

    assert verify() == ""
    assert (found, named) == (1000, 1000)
    shown(f"1000 altered bytes of history in {len(columns)} columns: {found} found, {named} named")


def _altering(event: Event, column: str, dice: random.Random) -> tuple[Any, ...]:
    """Say in SQL how one byte of a column becomes another."""
    old = getattr(event, column)
    where = "WHERE id = %s"
    if column in BYTES:
        place, new = dice.randrange(32), dice.randrange(1, 256)
        changed = bytearray(old)
        changed[place] ^= new
        return f"UPDATE events_event SET {column} = %s {where}", bytes(changed), event.pk
    if column in TIMES:
        return f"UPDATE events_event SET {column} = %s {where}", old + timedelta(microseconds=1), event.pk
    if column == "data":
        changed = {**old, "note": _one_letter(old["note"], dice)}
        return f"UPDATE events_event SET data = %s {where}", json.dumps(changed), event.pk
    if column in ("sequence", "seal_number"):
        return f"UPDATE events_event SET {column} = %s {where}", old ^ 1 << dice.randrange(8, 12), event.pk
    text = str(old)
    if column == "id":
        place = dice.choice([at for at, letter in enumerate(text) if letter != "-"])
        text = f"{text[:place]}{int(text[place], 16) ^ dice.randrange(1, 16):x}{text[place + 1 :]}"
        return f"UPDATE events_event SET id = %s {where}", text, event.pk
    return f"UPDATE events_event SET {column} = %s {where}", _one_letter(text, dice), event.pk


def _one_letter(text: str, dice: random.Random) -> str:
    if not text:
        return dice.choice("abc")
    place = dice.randrange(len(text))
    return f"{text[:place]}{chr(ord(text[place]) ^ 16)}{text[place + 1 :]}"


def _names(fault: str, event: Event) -> bool:
    """Say whether a fault names the row by its id or its place, or the gap it left behind."""
    place, gap = f"{event.subject} #{event.sequence} ", f"the row before it is missing: #{event.sequence}"
    return str(event.pk) in fault or place in fault or (fault.startswith(f"{event.subject} #") and fault.endswith(gap))


def test_a_changed_row_is_named_with_its_subject_and_number() -> None:
    story = sealed_story()
    event = story[5]

    tamper("UPDATE events_event SET data = data || '{\"amount\": 2}' WHERE id = %s", event.pk)

    assert verify().startswith(f"user:0 #6 thing.happened ({event.pk}) of ")
    assert verify(subject="user:0") == verify()
    assert verify(subject="user:1") == ""


def test_a_chain_that_was_hashed_anew_is_betrayed_by_its_seal() -> None:
    """Who owns the database can make every hash fit again, but not the seals."""
    event = sealed_story()[5]

    tamper("UPDATE events_event SET actor = 'nobody' WHERE id = %s", event.pk)
    _hash_anew(event.subject)

    assert verify() == f"user:0 #6 thing.happened ({event.pk}): it was altered after seal 2"


def _hash_anew(subject: str) -> None:
    last = chain.NOTHING
    for pk in Event.objects.filter(subject=subject).order_by("sequence").values_list("pk", flat=True):
        tamper("UPDATE events_event SET previous_hash = %s WHERE id = %s", last, pk)
        tamper("UPDATE events_event e SET hash = events_event_digest(e) WHERE id = %s", pk)
        last = bytes(Event.objects.get(pk=pk).hash)


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("subject = 'user:1' AND sequence = 3", "the row before it is missing: #3"),
        ("subject = 'user:1' AND sequence = 1", "the row before it is missing: #1"),
        ("subject = 'user:1' AND sequence = 12", "covers 12 events, 11 are there"),
        ("subject = 'user:1'", "covers 12 events, 8 are there"),
        ("TRUE", "covers 12 events, 0 are there"),
    ],
)
def test_rows_that_are_taken_out_are_missed(where: str, said: str) -> None:
    sealed_story()

    tamper(f"DELETE FROM events_event WHERE {where}")

    assert said in verify()


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE events_seal SET leaves = set_byte(leaves, 0, 255 - get_byte(leaves, 0)) WHERE number = 2", "seal 2"),
        ("UPDATE events_seal SET at = at + interval '1 us' WHERE number = 1", "seal 1 is not signed"),
        ("UPDATE events_seal SET signature = set_byte(signature, 9, 255 - get_byte(signature, 9))", "seal 1 is not"),
        ("UPDATE events_seal SET key = repeat('ab', 32) WHERE number = 3", "seal 3 is not signed by a key"),
        ("DELETE FROM events_seal WHERE number = 2", "seal 2 is missing"),
        ("DELETE FROM events_seal WHERE number = 3", "seal 3 is missing"),
        ("DELETE FROM events_seal", "seal 1 is missing"),
    ],
)
def test_a_seal_that_is_changed_or_gone_is_named(sql: str, said: str) -> None:
    sealed_story()

    tamper(sql)

    assert said in verify()


def test_the_second_place_betrays_an_end_that_was_cut_off_seal_and_all(seals: Path) -> None:
    sealed_story()

    tamper("DELETE FROM events_event WHERE seal_number = 3")
    tamper("DELETE FROM events_seal WHERE number = 3")

    assert verify() == f"seal 3: {seals} has it, the database does not"
    write()
    sealing.seal_all()
    with pytest.raises(witness.WitnessDiffers):
        witness.bear()


def test_every_altered_byte_of_the_second_place_is_found(seals: Path, shown: Shown) -> None:
    sealed_story(subjects=1, events=1, seals=2)
    whole, found, places = seals.read_bytes(), 0, 0

    for place in range(0, len(whole), 7):
        changed = bytearray(whole)
        changed[place] = ord("7") if changed[place] != ord("7") else ord("8")
        seals.write_bytes(bytes(changed))
        places += 1
        found += bool(verify())

    assert found == places
    shown(f"{places} altered bytes of the second place: {found} found")


def test_half_a_line_of_a_killed_writer_is_written_again(seals: Path) -> None:
    sealed_story(seals=2)
    whole = seals.read_bytes()
    seals.write_bytes(whole[: len(whole) - 40])

    written = witness.bear()

    assert written == 1
    assert seals.read_bytes() == whole


def test_an_earlier_key_is_believed_when_it_is_named(settings: LazySettings) -> None:
    sealed_story(seals=1)
    [earlier] = [said.key for said in sealing.statements()]
    settings.HISTORY_SIGNING_KEY = "c0" * 32
    sealed_story(seals=1)

    before = verify()
    settings.HISTORY_PUBLIC_KEYS = [earlier]

    assert "seal 1 is not signed by a key that is believed" in before
    assert verify() == ""


def test_a_part_is_verified_since_a_time() -> None:
    story = sealed_story()
    since = Event.objects.filter(seal_number=3).order_by("created_at").values_list("created_at", flat=True)[0]
    tamper("UPDATE events_event SET actor = 'nobody' WHERE id = %s", story[0].pk)

    assert verify(since=since.isoformat()) == ""
    assert str(story[0].pk) in verify()
    assert "is no time" in verify(since="yesterday")


def test_only_the_bookkeeping_of_a_row_may_change_and_its_seal_once() -> None:
    event = write()
    refused = pytest.raises(DatabaseError, match="only ever appended")

    Event.objects.filter(pk=event.pk).update(seal_number=1)
    with refused, transaction.atomic():
        Event.objects.filter(pk=event.pk).update(seal_number=F("seal_number") + 1)
    with refused, transaction.atomic():
        Event.objects.filter(pk=event.pk).update(actor="nobody")
    Seal.objects.create(number=1, at=clock.now(), leaves=b"", previous_hash=b"", key="", signature=b"")
    with pytest.raises(DatabaseError, match="stays sealed"), transaction.atomic():
        Seal.objects.update(key="x")
