"""Every allowed and every forbidden move of every machine, made from the table, held against the trigger in SQL."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.db import connection, transaction
from django.db.utils import IntegrityError
from django.test.utils import CaptureQueriesContext

from events import clock
from events.moves import Moving

MACHINES = sorted((model for model in apps.get_models() if issubclass(model, Moving)), key=lambda model: model.__name__)
MOVES = [
    pytest.param(model, old, new, id=f"{model.__name__}: {old} to {new}")
    for model in MACHINES
    for old in model.NEXT
    for new in model.NEXT
    if old != new
]


@pytest.mark.django_db
@pytest.mark.parametrize(("model", "old", "new"), MOVES)
def test_the_trigger_allows_what_the_table_allows_and_nothing_else(model: type[Moving], old: str, new: str) -> None:
    """PA-08, ruling 26 and the state machines of the design: psql and QuerySet.update cannot pass the table by."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE machine (status text) ON COMMIT DROP")
        cursor.execute(
            "CREATE TRIGGER moves BEFORE INSERT OR UPDATE OF status ON machine"
            f" FOR EACH ROW EXECUTE FUNCTION {model._meta.db_table}_moves()"
        )
        cursor.execute("INSERT INTO machine VALUES (%s)", [str(old)])
        try:
            with transaction.atomic():
                cursor.execute("UPDATE machine SET status = %s", [str(new)])
            moved = True
        except IntegrityError:
            moved = False
        cursor.execute("DROP TABLE machine")

    assert moved == (new in model.NEXT[old])


@pytest.mark.django_db
@pytest.mark.parametrize(("model", "old", "new"), MOVES)
def test_python_makes_the_move_that_the_table_allows_and_no_other(model: type[Moving], old: str, new: str) -> None:
    """The same table, by the only function that changes a status: what it forbids is not even asked of the database."""
    row = model(status=old)
    at = clock.now()

    with CaptureQueriesContext(connection) as asked:
        moved = row.move_to(new, at=at)

    assert not moved  # There is no such row: nobody else may have the status that it had.
    assert row.status == old
    assert len(asked) == (new in model.NEXT[old])


@pytest.mark.django_db
@pytest.mark.parametrize("model", MACHINES)
def test_the_trigger_stands_on_its_table_and_knows_no_other_status(model: type[Moving]) -> None:
    """A status that the table does not have is refused at its first writing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_trigger WHERE tgname = %s", [f"{model._meta.db_table}_moves"])
        assert cursor.fetchone() == (1,)
        cursor.execute("CREATE TEMPORARY TABLE machine (status text) ON COMMIT DROP")
        cursor.execute(
            "CREATE TRIGGER moves BEFORE INSERT ON machine"
            f" FOR EACH ROW EXECUTE FUNCTION {model._meta.db_table}_moves()"
        )
        with pytest.raises(IntegrityError, match="no such status"), transaction.atomic():
            cursor.execute("INSERT INTO machine VALUES ('refunded')")


@pytest.mark.parametrize("model", MACHINES)
def test_every_status_of_the_table_is_reachable_or_a_first_one(model: type[Moving]) -> None:
    """A table with an island would be a mistake."""
    reached = {status for targets in model.NEXT.values() for status in targets}

    assert len(set(model.NEXT) - reached) <= 1
    assert reached <= set(model.NEXT)
