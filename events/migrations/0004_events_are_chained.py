"""The database itself hashes each event onto the one before it in its subject.

The text that is hashed: each part as the count of its bytes, a colon, and its UTF-8; times in UTC with microseconds;
`data` as jsonb writes it; the previous hash in hex. docs/verify_history.py says the same in Python.

`SET search_path`: without it a caller could put a temporary table of our names in front of ours.
"""

from django.db import migrations

CHAIN = """
CREATE FUNCTION events_part(value text) RETURNS bytea LANGUAGE sql IMMUTABLE STRICT
    SET search_path = pg_catalog, pg_temp
    AS $$ SELECT convert_to(octet_length(convert_to(value, 'UTF8')) || ':' || value, 'UTF8') $$;

CREATE FUNCTION events_moment(value timestamptz) RETURNS text LANGUAGE sql STABLE STRICT
    SET search_path = pg_catalog, pg_temp
    AS $$ SELECT to_char(value AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') $$;

CREATE FUNCTION events_event_digest(event public.events_event) RETURNS bytea LANGUAGE sql STABLE
    SET search_path = public, pg_temp
    AS $$
        SELECT sha256(
            events_part('farebox-event-1') || events_part(event.id::text) || events_part(event.type)
            || events_part(event.subject) || events_part(event.sequence::text) || events_part(event.object)
            || events_part(event.actor) || events_part(event.request_id) || events_part(event.data::text)
            || events_part(events_moment(event.at)) || events_part(events_moment(event.created_at))
            || events_part(encode(event.previous_hash, 'hex'))
        )
    $$;

CREATE FUNCTION events_event_chain() RETURNS trigger LANGUAGE plpgsql
    SET search_path = public, pg_temp
    AS $$
    DECLARE
        last record;
    BEGIN
        -- The lock of events/history.py, taken again: whoever inserts by hand waits for his turn too.
        PERFORM pg_advisory_xact_lock(hashtextextended('history ' || NEW.subject, 0));
        SELECT sequence, hash INTO last FROM events_event WHERE subject = NEW.subject ORDER BY sequence DESC LIMIT 1;
        IF NEW.sequence <> coalesce(last.sequence, 0) + 1 THEN
            RAISE EXCEPTION 'events_event: % goes on with number %', NEW.subject, coalesce(last.sequence, 0) + 1
                USING ERRCODE = 'check_violation';
        END IF;
        -- Read under the lock: the times of a chain rise with its numbers.
        NEW.created_at := clock_timestamp();
        NEW.seal_number := NULL;
        NEW.previous_hash := coalesce(last.hash, decode(repeat('00', 32), 'hex'));
        NEW.hash := events_event_digest(NEW);
        RETURN NEW;
    END $$;

CREATE TRIGGER events_event_chain BEFORE INSERT ON events_event
    FOR EACH ROW EXECUTE FUNCTION events_event_chain();
"""
UNCHAIN = """
DROP TRIGGER events_event_chain ON events_event;
DROP FUNCTION events_event_chain();
DROP FUNCTION events_event_digest(public.events_event);
DROP FUNCTION events_moment(timestamptz);
DROP FUNCTION events_part(text);
"""

EARLIER = """
ALTER TABLE events_event DISABLE TRIGGER events_event_frozen;
DO $$
DECLARE
    event events_event;
    chained text;
    last bytea;
BEGIN
    FOR event IN SELECT * FROM events_event ORDER BY subject, sequence LOOP
        IF event.subject IS DISTINCT FROM chained THEN
            chained := event.subject;
            last := decode(repeat('00', 32), 'hex');
        END IF;
        event.previous_hash := last;
        last := events_event_digest(event);
        UPDATE events_event SET previous_hash = event.previous_hash, hash = last WHERE id = event.id;
    END LOOP;
END $$;
ALTER TABLE events_event ENABLE TRIGGER events_event_frozen;
"""


class Migration(migrations.Migration):
    dependencies = [("events", "0003_hashes_of_events")]

    operations = [migrations.RunSQL(CHAIN, UNCHAIN), migrations.RunSQL(EARLIER, migrations.RunSQL.noop)]
