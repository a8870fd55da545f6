-- Who may do what with runpin's tables in PostgreSQL. Pins, moves and publications are written once: nobody below
-- the owner may change or remove one. `runpin store roles` prints this with other names of the roles and the schema.
--
-- Run it after `runpin store upgrade`, each time, as whoever owns the tables. It may be run again at any moment:
-- what was granted beyond it is taken away. The first time it makes the roles, which needs CREATEROLE.

BEGIN;

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['runpin_owner', 'runpin_reader', 'runpin_runner', 'runpin_publisher'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
        END IF;
    END LOOP;
    -- Whoever hands tables over has to be a member of the new owner; superusers are of every role.
    IF NOT pg_has_role(current_user, 'runpin_owner', 'MEMBER') THEN
        GRANT runpin_owner TO CURRENT_USER;
    END IF;
    -- Later runs are made by members of the owner, who may not grant what is the schema's owner's to grant.
    IF NOT has_schema_privilege('runpin_owner', 'public', 'CREATE') THEN
        GRANT USAGE, CREATE ON SCHEMA public TO runpin_owner;
    END IF;
    FOREACH wanted IN ARRAY ARRAY['runpin_reader', 'runpin_runner', 'runpin_publisher'] LOOP
        IF NOT has_schema_privilege(wanted, 'public', 'USAGE') THEN
            EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', wanted);
        END IF;
    END LOOP;
END
$$;

-- Handing a table over locks it, which is not done to one that is handed over already: runs go on pinning.
SET LOCAL lock_timeout = '5s';

DO $$
DECLARE
    handed text;
BEGIN
    FOREACH handed IN ARRAY ARRAY[
        'public.runpin_object', 'public.runpin_snapshot', 'public.runpin_publication', 'public.runpin_channel',
        'public.runpin_channel_move', 'public.runpin_pin', 'public.runpin_quarantine',
        'public.runpin_quarantine_event', 'public.runpin_reaction', 'public.runpin_override',
        'public.runpin_schema_version'
    ] LOOP
        IF (SELECT relowner <> 'runpin_owner'::regrole FROM pg_class WHERE oid = handed::regclass) THEN
            EXECUTE format('ALTER TABLE %s OWNER TO runpin_owner', handed);
        END IF;
    END LOOP;
END
$$;

ALTER ROUTINE public.runpin_put OWNER TO runpin_owner;

REVOKE ALL ON
    public.runpin_object, public.runpin_snapshot, public.runpin_publication, public.runpin_channel,
    public.runpin_channel_move, public.runpin_pin, public.runpin_quarantine, public.runpin_quarantine_event,
    public.runpin_reaction, public.runpin_override, public.runpin_schema_version
    FROM PUBLIC, runpin_reader, runpin_runner, runpin_publisher;
REVOKE ALL ON SEQUENCE public.runpin_publication_id_seq, public.runpin_quarantine_event_id_seq
    FROM PUBLIC, runpin_reader, runpin_runner, runpin_publisher;
REVOKE ALL ON ROUTINE public.runpin_put FROM PUBLIC, runpin_reader, runpin_runner, runpin_publisher;

-- Everybody reads everything: a run asks what is published, a publisher who is pinned.
GRANT SELECT ON
    public.runpin_object, public.runpin_snapshot, public.runpin_publication, public.runpin_channel,
    public.runpin_channel_move, public.runpin_pin, public.runpin_quarantine, public.runpin_quarantine_event,
    public.runpin_reaction, public.runpin_override, public.runpin_schema_version
    TO runpin_reader, runpin_runner, runpin_publisher;

-- Tasks, schedulers and daemons: they pin, and record how they reacted to a channel's move.
GRANT INSERT ON public.runpin_pin, public.runpin_reaction TO runpin_runner;
-- An Override is recorded by people and ends when a run takes it.
GRANT UPDATE (outcome) ON public.runpin_reaction, public.runpin_override TO runpin_runner;
GRANT EXECUTE ON ROUTINE public.runpin_put TO runpin_runner;

-- CI jobs and people who publish, move channels, roll back, bar and let in again.
GRANT INSERT ON
    public.runpin_object, public.runpin_snapshot, public.runpin_publication, public.runpin_channel,
    public.runpin_channel_move, public.runpin_quarantine, public.runpin_quarantine_event, public.runpin_override
    TO runpin_publisher;
GRANT USAGE ON SEQUENCE public.runpin_publication_id_seq, public.runpin_quarantine_event_id_seq TO runpin_publisher;
-- A channel moves within its row. An object that was damaged is mended; readers check what they read by its digest.
GRANT UPDATE (revision, sequence, digest, moved_at) ON public.runpin_channel TO runpin_publisher;
GRANT UPDATE (body) ON public.runpin_object TO runpin_publisher;
GRANT UPDATE (outcome) ON public.runpin_override TO runpin_publisher;
GRANT DELETE ON public.runpin_quarantine TO runpin_publisher;

COMMIT;
