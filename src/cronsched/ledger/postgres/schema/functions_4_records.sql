-- What the ledger knows besides runs: processes, jobs, application ids, pauses,
-- requests, owners.

CREATE OR REPLACE FUNCTION cronsched.register_v1(
    p_machine text, p_boot text, p_namespace text, p_pid integer, p_started bigint, p_host text,
    p_at double precision DEFAULT NULL
) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO cronsched.members (machine, boot, namespace, pid, started, host, since)
    VALUES (p_machine, p_boot, p_namespace, p_pid, p_started, p_host, cronsched.now_v1(p_at))
    RETURNING id
$$;

-- Processes that ended and that nothing refers to, those of `p_looked`, of an
-- earlier boot and those that left or were given up; and the addresses of those that are forgotten.
CREATE OR REPLACE FUNCTION cronsched.forget_members_v1(
    p_member bigint, p_looked jsonb, p_before double precision
) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DELETE FROM cronsched.members AS m WHERE m.since < p_before
        AND NOT EXISTS (SELECT FROM cronsched.executions AS e WHERE e.member = m.id)
        AND NOT EXISTS (SELECT FROM cronsched.owners AS o WHERE o.member = m.id)
        AND NOT EXISTS (SELECT FROM cronsched.seats AS s WHERE s.member = m.id)
        AND (m.dead OR cronsched.lives_v1(m.id, p_member, p_looked) = 'dead');
    DELETE FROM cronsched.addresses AS d WHERE d.seen < p_before
        AND NOT EXISTS (SELECT FROM cronsched.members AS m WHERE m.id = d.member)
$$;

CREATE OR REPLACE FUNCTION cronsched.old_members_v1(p_member bigint, p_before double precision)
RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT cronsched.look_v1(array_agg(m.id)) FROM cronsched.members AS m
        WHERE m.since < p_before AND cronsched.lives_v1(m.id, p_member, NULL) = 'look'
$$;

-- Application ids with their jobs, as JSON; without `jobs`, those known. Each
-- job: [name, expression, timezone, seed, delay, options, place, words], and
-- NULL for what the code does not say.
CREATE OR REPLACE FUNCTION cronsched.see_v1(p_seen jsonb, p_member bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_each jsonb;
    v_id text;
    v_at double precision;
BEGIN
    FOR v_each IN SELECT s.value FROM jsonb_array_elements(p_seen) AS s
        ORDER BY s.value ->> 'id'
    LOOP
        v_id := v_each ->> 'id';
        v_at := (v_each ->> 'at')::double precision;
        INSERT INTO cronsched.applications AS a VALUES (v_id, v_each ->> 'base_url', v_at)
            ON CONFLICT (application_id) DO UPDATE
            SET base_url = excluded.base_url, seen = excluded.seen;
        INSERT INTO cronsched.addresses AS a VALUES (v_id, p_member, v_each ->> 'base_url', v_at)
            ON CONFLICT (application_id, member) DO UPDATE
            SET base_url = excluded.base_url, seen = excluded.seen;
        IF jsonb_typeof(v_each -> 'jobs') = 'array' THEN
            PERFORM cronsched.declare_v1(v_id, v_each -> 'jobs', v_at);
        END IF;
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION cronsched.declare_v1(
    p_application_id text, p_jobs jsonb, p_at double precision
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO cronsched.jobs (application_id, job, since)
        SELECT p_application_id, j.value ->> 0, p_at FROM jsonb_array_elements(p_jobs) AS j
        WHERE j.value ->> 1 IS NULL ORDER BY 2
        ON CONFLICT (application_id, job) DO UPDATE SET declared = true
        WHERE NOT jobs.declared;
    INSERT INTO cronsched.jobs AS j (application_id, job, since, planned, expression, timezone,
            seed, delay, options, place, words)
        SELECT p_application_id, t.value ->> 0, p_at, p_at, t.value ->> 1, t.value ->> 2,
            t.value ->> 3, (t.value ->> 4)::double precision, t.value ->> 5, t.value ->> 6,
            t.value ->> 7
        FROM jsonb_array_elements(p_jobs) AS t WHERE t.value ->> 1 IS NOT NULL ORDER BY 2
        ON CONFLICT (application_id, job) DO UPDATE SET declared = true,
        -- Of a plan that was not known before, nothing says that it changed.
        planned = CASE WHEN j.expression IS NULL OR (j.expression, j.timezone, j.seed)
            IS NOT DISTINCT FROM (excluded.expression, excluded.timezone, excluded.seed)
            THEN j.planned ELSE excluded.planned END,
        expression = excluded.expression, timezone = excluded.timezone, seed = excluded.seed,
        delay = excluded.delay, options = excluded.options, place = excluded.place,
        words = excluded.words
        WHERE (j.declared, j.expression, j.timezone, j.seed, j.delay, j.options, j.place, j.words)
        IS DISTINCT FROM (true, excluded.expression, excluded.timezone, excluded.seed,
            excluded.delay, excluded.options, excluded.place, excluded.words);
    UPDATE cronsched.jobs AS j SET declared = false
        WHERE j.application_id = p_application_id AND j.declared AND j.job NOT IN (
            SELECT t.value ->> 0 FROM jsonb_array_elements(p_jobs) AS t);
END $$;

-- Each: [application id, address, code root, implicit, since].
CREATE OR REPLACE FUNCTION cronsched.own_v1(p_owners jsonb, p_member bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO cronsched.owners (application_id, member, address, code_root, implicit, since)
        SELECT o.value ->> 0, p_member, o.value ->> 1, o.value ->> 2,
            (o.value ->> 3)::boolean, (o.value ->> 4)::double precision
        FROM jsonb_array_elements(p_owners) AS o ORDER BY 1
        ON CONFLICT (application_id) DO UPDATE SET member = excluded.member,
        address = excluded.address, code_root = excluded.code_root,
        implicit = excluded.implicit, since = excluded.since
$$;

CREATE OR REPLACE FUNCTION cronsched.disown_v1(p_application_ids text[], p_member bigint)
RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DELETE FROM cronsched.owners AS o
        WHERE o.application_id = ANY (p_application_ids) AND o.member = p_member
$$;

CREATE OR REPLACE FUNCTION cronsched.pause_v1(
    p_application_id text, p_job text, p_note text, p_at double precision, p_by text
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF p_application_id IS NULL THEN
        INSERT INTO cronsched.pauses VALUES (NULL, p_job, p_note, p_at, p_by)
            ON CONFLICT (job) WHERE application_id IS NULL DO UPDATE
            SET note = excluded.note, at = excluded.at, asked_by = excluded.asked_by;
    ELSE
        INSERT INTO cronsched.pauses VALUES (p_application_id, p_job, p_note, p_at, p_by)
            ON CONFLICT (job, application_id) WHERE application_id IS NOT NULL DO UPDATE
            SET note = excluded.note, at = excluded.at, asked_by = excluded.asked_by;
    END IF;
END $$;

CREATE OR REPLACE FUNCTION cronsched.resume_v1(p_application_id text, p_job text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DELETE FROM cronsched.pauses AS p WHERE p.job = p_job
        AND p.application_id IS NOT DISTINCT FROM p_application_id
$$;

-- The first free second from `p_scheduled` on. `p_token`: asked once more, as
-- the answer was lost.
CREATE OR REPLACE FUNCTION cronsched.request_run_v1(
    p_application_id text, p_job text, p_scheduled bigint, p_by text, p_token bigint
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_scheduled bigint := p_scheduled;
    v_token bigint;
    v_job_id bigint := (cronsched.job_v1(p_application_id, p_job, p_scheduled)).id;
BEGIN
    LOOP
        IF NOT EXISTS (SELECT FROM cronsched.runs AS r
                WHERE r.job_id = v_job_id AND r.scheduled = v_scheduled)
            AND NOT EXISTS (SELECT FROM cronsched.runs AS r WHERE r.job_id = v_job_id
                AND r.scheduled < v_scheduled AND r.until >= v_scheduled) THEN
            INSERT INTO cronsched.requests
                VALUES (p_application_id, p_job, v_scheduled, p_by, p_token)
                ON CONFLICT DO NOTHING;
            SELECT q.token INTO v_token FROM cronsched.requests AS q WHERE (q.application_id,
                q.job, q.scheduled) = (p_application_id, p_job, v_scheduled);
            IF v_token = p_token THEN
                UPDATE cronsched.jobs AS j
                    SET special_until = greatest(j.special_until, v_scheduled)
                    WHERE j.id = v_job_id;
                RETURN v_scheduled;
            END IF;
        END IF;
        v_scheduled := v_scheduled + 1;
    END LOOP;
END $$;

-- What is asked for, each given to one caller only; what was taken stays for
-- ten minutes, as the claim asks whether it was wanted.
CREATE OR REPLACE FUNCTION cronsched.take_requests_v1(
    p_application_ids text[], p_token bigint, p_at double precision DEFAULT NULL
) RETURNS TABLE (application_id text, job text, scheduled bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM cronsched.durably_v1();
    DELETE FROM cronsched.requests AS q WHERE q.scheduled < cronsched.now_v1(p_at) - 600;
    RETURN QUERY WITH taken AS (
        UPDATE cronsched.requests AS q SET taken = p_token
            WHERE q.application_id = ANY (p_application_ids)
            AND (q.taken IS NULL OR q.taken = p_token)
            RETURNING q.application_id, q.job, q.scheduled)
        SELECT t.application_id, t.job, t.scheduled FROM taken AS t ORDER BY t.scheduled;
END $$;
