-- What the other functions share. Each that is called from outside runs with
-- the rights of the schema's owner and is one transaction. Whoever changes a
-- run locks the row of its job first, so what happens to the runs of one job
-- happens one after the other.
--
-- What is called with each run is PL/pgSQL, which keeps its plans; a function
-- in SQL that asks a table is planned anew by each call.

CREATE OR REPLACE FUNCTION cronsched.now_v1(p_at double precision) RETURNS double precision
LANGUAGE sql VOLATILE AS $$
    SELECT coalesce(p_at, extract(epoch FROM clock_timestamp())::double precision)
$$;

-- What a sender says of its clock, by the clock of the database. One that is
-- further ahead is wrong, and what it recorded is not trusted; 2 seconds are
-- nothing (`claim_again_v1`).
CREATE OR REPLACE FUNCTION cronsched.told_at_v1(p_told double precision, p_now double precision)
RETURNS double precision LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN p_told > p_now + 2.0 AND p_told <= p_now + 10.0 THEN p_now ELSE p_told END
$$;

-- A commit must not be lost with the server, whatever the role's default is.
CREATE OR REPLACE FUNCTION cronsched.durably_v1() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('synchronous_commit') IN ('off', 'local') THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
END $$;

CREATE OR REPLACE FUNCTION cronsched.count_v1(p_name text, p_count bigint DEFAULT 1)
RETURNS void LANGUAGE sql AS $$
    INSERT INTO cronsched.counters AS c VALUES (p_name, p_count)
        ON CONFLICT (name) DO UPDATE SET count = c.count + excluded.count
$$;

-- The row of a job, locked, and made if it is new.
CREATE OR REPLACE FUNCTION cronsched.job_v1(
    p_application_id text, p_job text, p_now double precision
) RETURNS cronsched.jobs LANGUAGE plpgsql AS $$
DECLARE
    v_job cronsched.jobs;
BEGIN
    LOOP
        SELECT * INTO v_job FROM cronsched.jobs AS j
            WHERE j.application_id = p_application_id AND j.job = p_job FOR NO KEY UPDATE;
        IF FOUND THEN
            RETURN v_job;
        END IF;
        INSERT INTO cronsched.jobs (application_id, job, since)
            VALUES (p_application_id, p_job, p_now) ON CONFLICT DO NOTHING;
    END LOOP;
END $$;

-- How many of the bounds of `BUCKETS` are smaller.
CREATE OR REPLACE FUNCTION cronsched.bucket_v1(p_seconds double precision) RETURNS integer
LANGUAGE sql IMMUTABLE AS $$
    SELECT (p_seconds > 0.1)::int + (p_seconds > 0.5)::int + (p_seconds > 1)::int
        + (p_seconds > 5)::int + (p_seconds > 10)::int + (p_seconds > 30)::int
        + (p_seconds > 60)::int + (p_seconds > 300)::int + (p_seconds > 900)::int
        + (p_seconds > 3600)::int
$$;

CREATE OR REPLACE FUNCTION cronsched.count_end_v1(
    p_job cronsched.jobs, p_scheduled bigint, p_outcome text,
    p_started double precision, p_ended double precision, p_count bigint DEFAULT 1
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_took double precision := coalesce(greatest(p_ended - p_started, 0), 0);
    v_late double precision := coalesce(greatest(p_started - p_scheduled - p_job.delay, 0), 0);
BEGIN
    INSERT INTO cronsched.totals AS t VALUES (
        p_job.id, p_outcome,
        CASE WHEN p_started IS NULL THEN -1 ELSE cronsched.bucket_v1(v_took) END,
        CASE WHEN p_started IS NULL THEN -1 ELSE cronsched.bucket_v1(v_late) END,
        p_count, v_took, v_late)
    ON CONFLICT ON CONSTRAINT totals_pkey DO UPDATE SET count = t.count + excluded.count,
        seconds = t.seconds + excluded.seconds,
        late_seconds = t.late_seconds + excluded.late_seconds;
END $$;

CREATE OR REPLACE FUNCTION cronsched.note_newest_v1(p_job cronsched.jobs, p_scheduled bigint)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE cronsched.jobs AS j SET newest = p_scheduled
        WHERE j.id = p_job.id AND (j.newest IS NULL OR j.newest < p_scheduled);
END $$;

-- An execution has ended: what waited for it is due since then.
CREATE OR REPLACE FUNCTION cronsched.release_v1(p_job_id bigint, p_at double precision)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE cronsched.runs AS r SET next_attempt = p_at
        WHERE r.job_id = p_job_id AND r.next_attempt < p_at;
END $$;

-- Whether a machine, or a container on it, has been silent for as long as its members said that they
-- are to be waited for (a minute), and is taken for dead by the others, whose judgement does not rest on time stamps: after an outage of the
-- database, all are silent.
CREATE OR REPLACE FUNCTION cronsched.is_lost_v1(
    p_machine text, p_boot text, p_namespace text
) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT coalesce(bool_and(m.dead AND m.lost_after IS NOT NULL)
        AND max(m.seen) + max(m.lost_after) < cronsched.now_v1(NULL), false)
    FROM cronsched.members AS m
    WHERE m.machine = p_machine AND m.boot = p_boot AND m.namespace = p_namespace
    AND m.seen IS NOT NULL
$$;

-- Whether a member lives: 'alive', 'dead', 'unknown', or 'look': it is on the
-- machine of who asks, who can look for its process. `p_looked` is what that
-- found, by member. Of another machine nothing is known, but that it was
-- started anew since, or that all have given it up long ago.
CREATE OR REPLACE FUNCTION cronsched.lives_v1(p_member bigint, p_me bigint, p_looked jsonb)
RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN p_member = p_me THEN 'alive' ELSE coalesce(
        p_looked ->> p_member::text,
        (SELECT CASE
            WHEN m.machine = me.machine AND m.machine <> '' AND m.boot <> me.boot
                AND m.boot <> '' AND me.boot <> '' THEN 'dead'
            WHEN m.boot = me.boot AND m.namespace = me.namespace
                AND (m.boot <> '' OR (m.machine = me.machine AND m.host = me.host)) THEN 'look'
            WHEN (m.boot, m.namespace) <> (me.boot, me.namespace)
                AND cronsched.is_lost_v1(m.machine, m.boot, m.namespace) THEN 'dead'
            ELSE 'unknown' END
        FROM cronsched.members AS m, cronsched.members AS me
        WHERE m.id = p_member AND me.id = p_me),
        'unknown') END
$$;

-- Those to be looked at, as JSON of `Process` by member; NULL for nobody.
CREATE OR REPLACE FUNCTION cronsched.look_v1(p_members bigint[]) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT json_object_agg(m.id, json_build_array(
        m.machine, m.boot, m.namespace, m.pid, m.started, m.host))::text
    FROM cronsched.members AS m WHERE m.id = ANY (p_members)
$$;

CREATE OR REPLACE FUNCTION cronsched.lose_v1(
    p_job cronsched.jobs, p_scheduled bigint, p_now double precision, p_detail text
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_started double precision;
BEGIN
    DELETE FROM cronsched.executions AS e
        WHERE e.job_id = p_job.id AND e.scheduled = p_scheduled;
    PERFORM cronsched.release_v1(p_job.id, p_now);
    UPDATE cronsched.runs AS r SET state = 'lost', ended = p_now, detail = p_detail,
        next_attempt = CASE WHEN r.attempts_left > 0 THEN coalesce(r.next_attempt, p_now) END
        WHERE r.job_id = p_job.id AND r.scheduled = p_scheduled AND r.state = 'running'
        RETURNING r.started INTO v_started;
    IF FOUND THEN
        PERFORM cronsched.count_end_v1(p_job, p_scheduled, 'lost', v_started, p_now);
        RETURN true;
    END IF;
    RETURN false;
END $$;

-- Record as lost what runs without a process: of a job (locked), or one run of
-- it. Of a process that lives, a run past its deadline executes still. Returns
-- the members that must be looked at first; of what they run nothing is said.
CREATE OR REPLACE FUNCTION cronsched.settle_v1(
    p_job cronsched.jobs, p_scheduled bigint, p_now double precision, p_me bigint,
    p_looked jsonb, OUT look bigint[], OUT lost bigint[]
) LANGUAGE plpgsql AS $$
DECLARE
    v_found record;
    v_lives text;
    v_who text;
BEGIN
    FOR v_found IN
        SELECT e.scheduled, e.member, e.deadline < p_now AS late, m.pid, m.host
        FROM cronsched.executions AS e LEFT JOIN cronsched.members AS m ON m.id = e.member
        WHERE e.job_id = p_job.id AND (p_scheduled IS NULL OR e.scheduled = p_scheduled)
        ORDER BY e.scheduled
    LOOP
        v_lives := cronsched.lives_v1(v_found.member, p_me, p_looked);
        v_who := concat_ws(' ', 'its process', v_found.pid, 'on ' || v_found.host);
        IF v_lives = 'look' THEN
            look := look || v_found.member;
        ELSIF v_lives = 'dead' OR (v_lives = 'unknown' AND v_found.late) THEN
            IF cronsched.lose_v1(p_job, v_found.scheduled, p_now, CASE v_lives
                WHEN 'dead' THEN v_who || ' ended'
                ELSE 'nothing was heard of ' || v_who || ' in time' END) THEN
                lost := lost || v_found.scheduled;
            END IF;
        ELSIF v_found.late THEN
            UPDATE cronsched.runs AS r SET gave_up = p_now, next_attempt =
                CASE WHEN r.attempts_left > 0 THEN coalesce(r.next_attempt, p_now) END
                WHERE r.job_id = p_job.id AND r.scheduled = v_found.scheduled
                AND r.gave_up IS NULL;
        END IF;
    END LOOP;
END $$;
