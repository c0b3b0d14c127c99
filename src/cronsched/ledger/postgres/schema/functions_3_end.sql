-- How runs end. The view says so (`finish_v1`), the sender (`record_v1`), or
-- nobody, and then the process is looked for (`recover_v1`). The first end
-- wins. A sender that gave up ends nothing that executes.

-- `p_backoff`: seconds until the next attempt, if this one asks for another.
CREATE OR REPLACE FUNCTION cronsched.end_v1(
    p_job cronsched.jobs, p_run cronsched.runs, p_outcome text, p_took double precision,
    p_detail text, p_backoff double precision
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_ended double precision := p_run.started + p_took;
    v_told text := format('ended later: %s after %s s', p_outcome, round(p_took::numeric, 1));
    v_owed boolean := p_run.attempts_left > 0 AND p_outcome IN ('failed', 'timed_out');
BEGIN
    IF p_run.gave_up IS NOT NULL AND p_run.attempts_left > 0
        AND p_outcome IN ('ok', 'failed', 'timed_out') THEN
        -- Its sender gave up, and another attempt is owed: it may go now.
        UPDATE cronsched.runs AS r SET state = 'timed_out', ended = v_ended,
            detail = concat_ws('; ', r.detail, v_told || coalesce(': ' || p_detail, '')),
            next_attempt = greatest(r.next_attempt, v_ended)
            WHERE r.job_id = p_job.id AND r.scheduled = p_run.scheduled;
        PERFORM cronsched.count_end_v1(
            p_job, p_run.scheduled, 'timed_out', p_run.started, v_ended);
        RETURN;
    END IF;
    UPDATE cronsched.runs AS r SET state = p_outcome, ended = v_ended, detail = p_detail,
        next_attempt = CASE WHEN v_owed THEN v_ended + p_backoff ELSE r.next_attempt END
        WHERE r.job_id = p_job.id AND r.scheduled = p_run.scheduled;
    PERFORM cronsched.count_end_v1(p_job, p_run.scheduled, p_outcome, p_run.started, v_ended);
    IF p_outcome = 'ok' THEN
        UPDATE cronsched.jobs AS j SET last_ok = p_run.scheduled
            WHERE j.id = p_job.id AND (j.last_ok IS NULL OR j.last_ok < p_run.scheduled);
    END IF;
END $$;

CREATE OR REPLACE FUNCTION cronsched.finish_v1(
    p_application_id text, p_job text, p_scheduled bigint, p_attempt integer, p_outcome text,
    p_took double precision, p_detail text
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_job cronsched.jobs;
    v_run cronsched.runs;
    v_backoff double precision := 1.0;
BEGIN
    PERFORM cronsched.durably_v1();
    SELECT * INTO v_job FROM cronsched.jobs AS j
        WHERE j.application_id = p_application_id AND j.job = p_job FOR NO KEY UPDATE;
    SELECT * INTO v_run FROM cronsched.runs AS r WHERE r.job_id = v_job.id
        AND r.scheduled = p_scheduled AND r.attempt = p_attempt;
    IF NOT FOUND THEN
        RETURN;     -- of a later attempt, or forgotten
    END IF;
    DELETE FROM cronsched.executions AS e WHERE e.job_id = v_job.id
        AND e.scheduled = p_scheduled AND e.attempt = p_attempt
        RETURNING coalesce(nullif(e.backoff, 0), 1.0) INTO v_backoff;
    PERFORM cronsched.release_v1(v_job.id, coalesce(v_run.started, 0) + p_took);
    IF v_run.state = 'running' THEN
        PERFORM cronsched.end_v1(v_job, v_run, p_outcome, p_took, p_detail,
            least(coalesce(v_backoff, 1.0) * 2.0 ^ least(p_attempt - 1, 60), 600.0));
    ELSIF v_run.state IN ('timed_out', 'lost') THEN
        -- It was ended before, as nothing was heard of it: the truth is added.
        UPDATE cronsched.runs AS r SET detail = concat_ws('; ', r.detail,
            format('ended later: %s after %s s', p_outcome, round(p_took::numeric, 1)))
            WHERE r.job_id = v_job.id AND r.scheduled = p_scheduled
            AND position('ended later: ' IN coalesce(r.detail, '')) = 0;
    END IF;
END $$;

-- `look`: JSON of processes to be looked at first; nothing is recorded then.
-- `gave_up`: it executes still, and its sender waits no longer.
CREATE OR REPLACE FUNCTION cronsched.record_v1(
    p_application_id text, p_job text, p_scheduled bigint, p_outcome text,
    p_at double precision, p_attempt integer, p_until bigint, p_count bigint, p_status integer,
    p_detail text, p_retry_at double precision, p_attempts_left integer, p_member bigint,
    p_looked jsonb DEFAULT NULL, p_now double precision DEFAULT NULL,
    OUT look text, OUT gave_up boolean
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_now double precision := cronsched.now_v1(p_now);
    v_at double precision := cronsched.told_at_v1(p_at, v_now);
    v_retry_at double precision := p_retry_at + (v_at - p_at);
    v_job cronsched.jobs := cronsched.job_v1(p_application_id, p_job, v_at);
    v_asked_by text;
BEGIN
    gave_up := false;
    IF cronsched.is_deposed_v1(p_application_id, p_member) THEN
        RETURN;     -- whoever has the office now finds out by itself
    END IF;
    PERFORM cronsched.durably_v1();
    SELECT q.asked_by INTO v_asked_by FROM cronsched.requests AS q
        WHERE (q.application_id, q.job, q.scheduled) = (p_application_id, p_job, p_scheduled);
    IF v_asked_by IS NULL THEN
        PERFORM cronsched.note_newest_v1(v_job, coalesce(p_until, p_scheduled));
    END IF;
    INSERT INTO cronsched.runs (job_id, scheduled, state, attempt, ended, until, count, status,
        detail, requested, asked_by, next_attempt, attempts_left)
    VALUES (v_job.id, p_scheduled, p_outcome, p_attempt, v_at, p_until, p_count, p_status,
        p_detail, v_asked_by IS NOT NULL, nullif(v_asked_by, ''), v_retry_at, p_attempts_left)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        -- What a clock that was ahead has recorded, and nobody executed, never happened.
        UPDATE cronsched.runs AS r SET state = p_outcome, attempt = p_attempt, ended = v_at,
            until = p_until, count = p_count, status = p_status, detail = p_detail,
            next_attempt = v_retry_at, attempts_left = p_attempts_left
            WHERE r.job_id = v_job.id AND r.scheduled = p_scheduled AND r.state <> 'running'
            AND r.started IS NULL AND r.ended > v_now + 2.0;
    END IF;
    IF FOUND THEN
        PERFORM cronsched.count_end_v1(v_job, p_scheduled, p_outcome, NULL, NULL, p_count);
        RETURN;
    END IF;
    look := cronsched.look_v1((cronsched.settle_v1(
        v_job, p_scheduled, v_now, p_member, p_looked)).look);
    IF look IS NULL THEN
        gave_up := cronsched.add_v1(v_job, p_scheduled, p_outcome, v_at, p_attempt, p_status,
            p_detail, v_retry_at, p_attempts_left);
    END IF;
END $$;

-- What a sender says of a run that has a row. Returns whether it executes, and
-- its sender gave up.
CREATE OR REPLACE FUNCTION cronsched.add_v1(
    p_job cronsched.jobs, p_scheduled bigint, p_outcome text, p_at double precision,
    p_attempt integer, p_status integer, p_detail text, p_retry_at double precision,
    p_attempts_left integer
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    -- What only the sender knows is added to an end of which both agree.
    UPDATE cronsched.runs AS r SET status = coalesce(r.status, p_status),
        next_attempt = p_retry_at, attempts_left = least(r.attempts_left, p_attempts_left)
        WHERE r.job_id = p_job.id AND r.scheduled = p_scheduled
        AND r.state = p_outcome AND r.attempt = p_attempt;
    IF p_outcome IN ('failed', 'timed_out', 'unreachable') THEN
        -- A further attempt, or a run that waited, that nobody claimed.
        UPDATE cronsched.runs AS r SET state = p_outcome, attempt = p_attempt, ended = p_at,
            status = p_status, detail = p_detail, next_attempt = p_retry_at,
            attempts_left = p_attempts_left
            WHERE r.job_id = p_job.id AND r.scheduled = p_scheduled
            AND r.next_attempt IS NOT NULL AND (r.state = 'queued' OR (r.attempt < p_attempt
                AND r.state IN ('failed', 'timed_out', 'unreachable', 'lost')));
    END IF;
    IF p_outcome <> 'timed_out' THEN
        RETURN false;
    END IF;
    UPDATE cronsched.runs AS r SET gave_up = coalesce(r.gave_up, p_at),
        detail = coalesce(r.detail, p_detail), next_attempt = p_retry_at,
        attempts_left = least(r.attempts_left, p_attempts_left)
        WHERE r.job_id = p_job.id AND r.scheduled = p_scheduled AND r.state = 'running'
        AND r.attempt <= p_attempt;
    RETURN FOUND;
END $$;

-- Many that were missed, as JSON: [application id, job, scheduled, until,
-- count, detail]. Mostly none has a record, and one statement makes them all;
-- those of jobs that are new, that were asked for, or that have a record are
-- recorded one by one.
CREATE OR REPLACE FUNCTION cronsched.miss_v1(
    p_missed jsonb, p_at double precision, p_member bigint, p_now double precision DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_at double precision := cronsched.told_at_v1(p_at, cronsched.now_v1(p_now));
    v_rest jsonb;
BEGIN
    PERFORM cronsched.durably_v1();
    WITH told AS (
        SELECT m.value, m.value ->> 0 AS application_id, m.value ->> 1 AS job,
            (m.value ->> 2)::bigint AS scheduled
        FROM jsonb_array_elements(p_missed) AS m
    ), ours AS MATERIALIZED (
        SELECT t.application_id FROM (SELECT DISTINCT told.application_id FROM told) AS t
        WHERE NOT cronsched.is_deposed_v1(t.application_id, p_member)
    ), known AS (
        -- In one order, so that two who do so wait for each other once.
        SELECT j.id, j.application_id, j.job FROM cronsched.jobs AS j
        WHERE (j.application_id, j.job) IN (
            SELECT t.application_id, t.job FROM told AS t JOIN ours USING (application_id))
        ORDER BY j.application_id, j.job FOR NO KEY UPDATE
    ), made AS (
        INSERT INTO cronsched.runs (
            job_id, scheduled, state, attempt, ended, until, count, detail)
        SELECT k.id, t.scheduled, 'missed', 1, v_at, (t.value ->> 3)::bigint,
            (t.value ->> 4)::bigint, t.value ->> 5
        FROM told AS t JOIN known AS k USING (application_id, job)
        WHERE NOT EXISTS (SELECT FROM cronsched.requests AS q
            WHERE (q.application_id, q.job, q.scheduled) = (k.application_id, k.job, t.scheduled))
        ON CONFLICT DO NOTHING
        RETURNING job_id, runs.scheduled, coalesce(until, runs.scheduled) AS latest, count
    ), of_job AS (
        SELECT m.job_id, max(m.latest) AS latest, sum(m.count) AS count FROM made AS m GROUP BY 1
    ), noted AS (
        UPDATE cronsched.jobs AS j SET newest = o.latest FROM of_job AS o
        WHERE j.id = o.job_id AND (j.newest IS NULL OR j.newest < o.latest)
    ), counted AS (
        INSERT INTO cronsched.totals AS t
        SELECT o.job_id, 'missed', -1, -1, o.count, 0.0, 0.0 FROM of_job AS o ORDER BY o.job_id
        ON CONFLICT ON CONSTRAINT totals_pkey DO UPDATE SET count = t.count + excluded.count
    )
    SELECT jsonb_agg(t.value ORDER BY t.application_id, t.job, t.scheduled) INTO v_rest
        FROM told AS t JOIN ours USING (application_id) WHERE NOT EXISTS (
            SELECT FROM made AS m JOIN known AS k ON k.id = m.job_id
            WHERE (k.application_id, k.job, m.scheduled) = (t.application_id, t.job, t.scheduled));
    PERFORM cronsched.record_v1(
        r.value ->> 0, r.value ->> 1, (r.value ->> 2)::bigint, 'missed', p_at, 1,
        (r.value ->> 3)::bigint, (r.value ->> 4)::bigint, NULL, r.value ->> 5, NULL, 0,
        p_member, NULL, p_now)
        FROM jsonb_array_elements(v_rest) AS r;
END $$;

-- The members that execute anything and must be looked at; NULL for nobody.
-- `any`: whether anything executes.
CREATE OR REPLACE FUNCTION cronsched.executing_members_v1(
    p_member bigint, OUT any_executes boolean, OUT look text
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT count(*) > 0, cronsched.look_v1(array_agg(e.member)
        FILTER (WHERE cronsched.lives_v1(e.member, p_member, NULL) = 'look'))
    FROM (SELECT DISTINCT x.member FROM cronsched.executions AS x) AS e
$$;

-- Record as lost what runs without a process, of all jobs.
CREATE OR REPLACE FUNCTION cronsched.recover_v1(
    p_member bigint, p_looked jsonb, p_at double precision DEFAULT NULL
) RETURNS TABLE (application_id text, job text, scheduled bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_now double precision := cronsched.now_v1(p_at);
    v_id bigint;
    v_job cronsched.jobs;
BEGIN
    FOR v_id IN SELECT DISTINCT e.job_id FROM cronsched.executions AS e
        WHERE e.deadline < v_now OR cronsched.lives_v1(e.member, p_member, p_looked) = 'dead'
        ORDER BY e.job_id
    LOOP
        SELECT * INTO v_job FROM cronsched.jobs AS j WHERE j.id = v_id FOR NO KEY UPDATE;
        RETURN QUERY SELECT v_job.application_id, v_job.job, lost.scheduled
            FROM unnest((cronsched.settle_v1(v_job, NULL, v_now, p_member, p_looked)).lost)
            AS lost (scheduled);
    END LOOP;
END $$;

-- The attempt is not made any more. A run that waited was never executed.
CREATE OR REPLACE FUNCTION cronsched.drop_attempt_v1(
    p_application_id text, p_job text, p_scheduled bigint, p_at double precision DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_now double precision := cronsched.now_v1(p_at);
    v_job cronsched.jobs := cronsched.job_v1(p_application_id, p_job, v_now);
BEGIN
    UPDATE cronsched.runs AS r SET next_attempt = NULL, attempts_left = 0
        WHERE r.job_id = v_job.id AND r.scheduled = p_scheduled
        AND r.state NOT IN ('running', 'queued');
    UPDATE cronsched.runs AS r SET next_attempt = NULL, attempts_left = 0,
        state = 'skipped_overlap', ended = v_now
        WHERE r.job_id = v_job.id AND r.scheduled = p_scheduled AND r.state = 'queued';
    IF FOUND THEN
        PERFORM cronsched.count_end_v1(v_job, p_scheduled, 'skipped_overlap', NULL, NULL);
    END IF;
END $$;

-- Forget runs that ended before, from `p_from` on, `p_most` at once. Returns
-- how many, and the scheduled time to go on from.
CREATE OR REPLACE FUNCTION cronsched.prune_v1(
    p_before double precision, p_from bigint, p_most integer, OUT pruned bigint, OUT last bigint
)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH old AS (
        SELECT r.job_id, r.scheduled FROM cronsched.runs AS r
        WHERE r.scheduled >= p_from AND r.scheduled < p_before AND r.ended < p_before
        AND r.next_attempt IS NULL ORDER BY r.scheduled LIMIT p_most
    ), gone AS (
        DELETE FROM cronsched.runs AS r USING old
        WHERE r.job_id = old.job_id AND r.scheduled = old.scheduled
        AND r.ended < p_before AND r.next_attempt IS NULL RETURNING r.scheduled
    )
    SELECT count(*), max(gone.scheduled) FROM gone
$$;
