-- A claim, as one call. The unique key of `runs` is what lets a run happen
-- once; the rest is what a claim may find when it comes second, or what hinders
-- it. The rules are those of cronsched.ledger.rules and the SQLite ledger.

CREATE OR REPLACE FUNCTION cronsched.answered_v1(
    p_verdict text, p_attempt integer, p_look bigint[] DEFAULT NULL
) RETURNS cronsched.answer_v1 LANGUAGE sql STABLE AS $$
    SELECT p_verdict, p_attempt, NULL::bigint, NULL::bigint,
        CASE WHEN p_look IS NOT NULL THEN cronsched.look_v1(p_look) END, NULL::double precision,
        NULL::bigint
$$;

-- `cronsched.ledger.rules.again`.
CREATE OR REPLACE FUNCTION cronsched.again_v1(
    p_state text, p_known integer, p_known_stamp bigint, p_known_epoch bigint,
    p_executing boolean, p_attempt integer, p_stamp bigint, p_epoch bigint, p_retries integer,
    OUT verdict text, OUT attempt integer
) LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    v_refused text := CASE p_state WHEN 'lost' THEN 'lost' ELSE 'duplicate' END;
BEGIN
    attempt := p_known;
    IF p_executing THEN
        verdict := CASE WHEN p_known < p_attempt AND p_attempt <= p_retries + 1
            THEN 'executing' ELSE 'duplicate' END;
    ELSIF p_state NOT IN ('failed', 'timed_out', 'unreachable', 'lost') THEN
        verdict := 'duplicate';
    ELSIF p_attempt <= p_known AND p_state <> 'lost'
        OR greatest(p_attempt, p_known + 1) > p_retries + 1 THEN
        verdict := v_refused;
    ELSIF p_attempt <= p_known AND p_known_stamp IS NOT NULL AND (
        p_stamp IS NULL OR (p_epoch, p_stamp) < (p_known_epoch, p_known_stamp)) THEN
        verdict := 'replayed';
    ELSE
        verdict := 'granted';
        attempt := greatest(p_attempt, p_known + 1);
    END IF;
END $$;

-- Why the run is not executed now, and a detail; NULL if nothing hinders it.
-- Who asks for a run by hand knows that the job is paused, but not that it
-- executes.
CREATE OR REPLACE FUNCTION cronsched.hindrance_v1(
    p_job cronsched.jobs, p_wish cronsched.wish_v1, p_requested boolean, p_looked jsonb,
    OUT verdict text, OUT why text, OUT look bigint[]
) LANGUAGE plpgsql AS $$
DECLARE
    v_pid integer;
BEGIN
    SELECT 'skipped_paused', p.note INTO verdict, why FROM cronsched.pauses AS p
        WHERE p.job = p_wish.job AND NOT p_requested
        AND (p.application_id = p_wish.application_id OR p.application_id IS NULL) LIMIT 1;
    IF verdict IS NOT NULL OR p_wish.overlap = 'allow' THEN
        RETURN;
    END IF;
    IF NOT EXISTS (SELECT FROM cronsched.executions AS e
        WHERE e.job_id = p_job.id AND e.scheduled <> p_wish.scheduled) THEN
        RETURN;
    END IF;
    look := (cronsched.settle_v1(p_job, NULL, p_wish.at, p_wish.member, p_looked)).look;
    SELECT m.pid INTO v_pid FROM cronsched.executions AS e
        LEFT JOIN cronsched.members AS m ON m.id = e.member
        WHERE e.job_id = p_job.id AND e.scheduled <> p_wish.scheduled LIMIT 1;
    IF NOT FOUND OR look IS NOT NULL THEN
        RETURN;
    END IF;
    why := concat_ws(' ', 'process', v_pid, 'executed another run');
    verdict := CASE WHEN p_wish.overlap = 'queue' AND NOT EXISTS (
        SELECT FROM cronsched.runs AS r WHERE r.job_id = p_job.id AND r.next_attempt IS NOT NULL
        AND r.state = 'queued' AND r.scheduled <> p_wish.scheduled)
        THEN 'queued' ELSE 'skipped_overlap' END;
END $$;

-- The run is granted; its row says so already.
CREATE OR REPLACE FUNCTION cronsched.executes_v1(
    p_job_id bigint, p_wish cronsched.wish_v1, p_attempt integer
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO cronsched.executions VALUES (
        p_job_id, p_wish.scheduled, p_attempt, p_wish.member, p_wish.thread,
        -- What the sender says of a timeout wins over what `settle_v1` would.
        p_wish.at + p_wish.timeout + 5.0, p_wish.retries, p_wish.backoff);
END $$;

-- The rows of a run that is granted at its first claim; false if it has one.
CREATE OR REPLACE FUNCTION cronsched.start_v1(
    p_job_id bigint, p_wish cronsched.wish_v1, p_asked_by text, p_fence bigint
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO cronsched.runs (job_id, scheduled, state, attempt, stamp, epoch, token, member,
        host, pid, started, attempts_left, requested, asked_by, fence)
    VALUES (p_job_id, p_wish.scheduled, 'running', p_wish.attempt, p_wish.stamp, p_wish.epoch,
        p_wish.token, p_wish.member, p_wish.host, p_wish.pid, p_wish.at,
        greatest(p_wish.retries + 1 - p_wish.attempt, 0), p_asked_by IS NOT NULL,
        nullif(p_asked_by, ''), p_fence)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM cronsched.executes_v1(p_job_id, p_wish, p_wish.attempt);
    RETURN true;
END $$;

CREATE OR REPLACE FUNCTION cronsched.note_started_v1(
    p_job cronsched.jobs, p_scheduled bigint, p_requested boolean, p_fence bigint
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE cronsched.jobs AS j SET fence = p_fence,
        newest = CASE WHEN p_requested THEN j.newest ELSE greatest(j.newest, p_scheduled) END,
        last_started = greatest(j.last_started, p_scheduled)
        WHERE j.id = p_job.id;
END $$;

-- What a granted run is told of those before it. `last_started` and `last_ok`
-- are the latest of all, which outlive pruning.
CREATE OR REPLACE FUNCTION cronsched.granted_v1(
    p_job cronsched.jobs, p_scheduled bigint, p_attempt integer, p_fence bigint
) RETURNS cronsched.answer_v1 LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_previous bigint := p_job.last_started;
    v_last_ok bigint := p_job.last_ok;
BEGIN
    IF v_previous >= p_scheduled THEN
        v_previous := (SELECT max(r.scheduled) FROM cronsched.runs AS r
            WHERE r.job_id = p_job.id AND r.scheduled < p_scheduled AND r.started IS NOT NULL);
    END IF;
    IF v_last_ok >= p_scheduled THEN
        v_last_ok := (SELECT max(r.scheduled) FROM cronsched.runs AS r
            WHERE r.job_id = p_job.id AND r.scheduled < p_scheduled AND r.state = 'ok');
    END IF;
    RETURN ROW('granted', p_attempt, v_previous, v_last_ok, NULL, p_job.delay,
        p_fence)::cronsched.answer_v1;
END $$;

-- The first claim of a run.
CREATE OR REPLACE FUNCTION cronsched.claim_new_v1(
    p_job cronsched.jobs, p_wish cronsched.wish_v1, p_asked_by text, p_looked jsonb
) RETURNS cronsched.answer_v1 LANGUAGE plpgsql AS $$
DECLARE
    v_fence bigint := cronsched.next_fence_v1(p_job);
    v_hindrance record;
    v_waits boolean;
BEGIN
    v_hindrance := cronsched.hindrance_v1(p_job, p_wish, p_asked_by IS NOT NULL, p_looked);
    IF v_hindrance.look IS NOT NULL THEN
        RETURN cronsched.answered_v1('look', p_wish.attempt, v_hindrance.look);
    END IF;
    IF v_hindrance.verdict IS NULL THEN
        PERFORM cronsched.start_v1(p_job.id, p_wish, p_asked_by, v_fence);
        PERFORM cronsched.note_started_v1(
            p_job, p_wish.scheduled, p_asked_by IS NOT NULL, v_fence);
        RETURN cronsched.granted_v1(p_job, p_wish.scheduled, p_wish.attempt, v_fence);
    END IF;
    v_waits := v_hindrance.verdict = 'queued';
    INSERT INTO cronsched.runs (job_id, scheduled, state, attempt, stamp, epoch, token, detail,
        ended, next_attempt, attempts_left, requested, asked_by)
    VALUES (p_job.id, p_wish.scheduled, v_hindrance.verdict, p_wish.attempt, p_wish.stamp,
        p_wish.epoch, p_wish.token, nullif(v_hindrance.why, ''),
        CASE WHEN NOT v_waits THEN p_wish.at END, CASE WHEN v_waits THEN p_wish.at END,
        CASE WHEN v_waits THEN greatest(p_wish.retries + 1 - p_wish.attempt, 0) ELSE 0 END,
        p_asked_by IS NOT NULL, nullif(p_asked_by, ''));
    IF NOT v_waits THEN
        PERFORM cronsched.count_end_v1(p_job, p_wish.scheduled, v_hindrance.verdict, NULL, NULL);
    END IF;
    IF p_asked_by IS NULL THEN
        PERFORM cronsched.note_newest_v1(p_job, p_wish.scheduled);
    END IF;
    RETURN cronsched.answered_v1(v_hindrance.verdict, p_wish.attempt);
END $$;

-- A further attempt that is hindered: the run keeps the end it has, and the
-- attempt stays owed while another run executes. What was queued ends where its
-- job is paused.
CREATE OR REPLACE FUNCTION cronsched.refuse_again_v1(
    p_job cronsched.jobs, p_wish cronsched.wish_v1, p_verdict text, p_why text
) RETURNS cronsched.answer_v1 LANGUAGE plpgsql AS $$
BEGIN
    IF p_verdict = 'skipped_paused' THEN
        UPDATE cronsched.runs AS r SET next_attempt = NULL, attempts_left = 0,
            detail = CASE r.state WHEN 'queued' THEN nullif(p_why, '') ELSE r.detail END,
            ended = CASE r.state WHEN 'queued' THEN p_wish.at ELSE r.ended END,
            state = CASE r.state WHEN 'queued' THEN p_verdict ELSE r.state END
            WHERE r.job_id = p_job.id AND r.scheduled = p_wish.scheduled;
        RETURN cronsched.answered_v1(p_verdict, p_wish.attempt);
    END IF;
    UPDATE cronsched.runs AS r SET next_attempt = coalesce(r.next_attempt, p_wish.at)
        WHERE r.job_id = p_job.id AND r.scheduled = p_wish.scheduled
        AND (r.attempts_left > 0 OR r.state = 'queued');
    RETURN cronsched.answered_v1(
        CASE WHEN FOUND THEN 'queued' ELSE 'skipped_overlap' END, p_wish.attempt);
END $$;

CREATE OR REPLACE FUNCTION cronsched.grant_again_v1(
    p_job cronsched.jobs, p_wish cronsched.wish_v1, p_attempt integer, p_requested boolean,
    p_looked jsonb
) RETURNS cronsched.answer_v1 LANGUAGE plpgsql AS $$
DECLARE
    v_fence bigint := cronsched.next_fence_v1(p_job);
    v_hindrance record;
BEGIN
    v_hindrance := cronsched.hindrance_v1(p_job, p_wish, p_requested, p_looked);
    IF v_hindrance.look IS NOT NULL THEN
        RETURN cronsched.answered_v1('look', p_attempt, v_hindrance.look);
    ELSIF v_hindrance.verdict IS NOT NULL THEN
        RETURN cronsched.refuse_again_v1(p_job, p_wish, v_hindrance.verdict, v_hindrance.why);
    END IF;
    UPDATE cronsched.runs AS r SET state = 'running', attempt = p_attempt, stamp = p_wish.stamp,
        epoch = p_wish.epoch, token = p_wish.token, started = p_wish.at,
        attempts_left = greatest(p_wish.retries + 1 - p_attempt, 0), host = p_wish.host,
        pid = p_wish.pid, member = p_wish.member, fence = v_fence, ended = NULL, status = NULL, detail = NULL,
        gave_up = NULL, next_attempt = NULL, until = NULL, count = 1
        WHERE r.job_id = p_job.id AND r.scheduled = p_wish.scheduled;
    PERFORM cronsched.executes_v1(p_job.id, p_wish, p_attempt);
    PERFORM cronsched.note_started_v1(p_job, p_wish.scheduled, p_requested, v_fence);
    RETURN cronsched.granted_v1(p_job, p_wish.scheduled, p_attempt, v_fence);
END $$;

-- The claim of a run that has a row.
CREATE OR REPLACE FUNCTION cronsched.claim_again_v1(
    p_job cronsched.jobs, p_wish cronsched.wish_v1, p_requested boolean, p_looked jsonb
) RETURNS cronsched.answer_v1 LANGUAGE plpgsql AS $$
DECLARE
    v_look bigint[] :=
        (cronsched.settle_v1(p_job, p_wish.scheduled, p_wish.at, p_wish.member, p_looked)).look;
    v_run cronsched.runs;
    v_verdict text;
    v_attempt integer;
BEGIN
    IF v_look IS NOT NULL THEN
        RETURN cronsched.answered_v1('look', p_wish.attempt, v_look);
    END IF;
    SELECT * INTO v_run FROM cronsched.runs AS r
        WHERE r.job_id = p_job.id AND r.scheduled = p_wish.scheduled;
    IF v_run.state = 'queued' THEN
        RETURN cronsched.grant_again_v1(
            p_job, p_wish, greatest(v_run.attempt, p_wish.attempt), p_requested, p_looked);
    ELSIF v_run.started IS NULL AND v_run.ended > p_wish.at + 2.0 THEN
        -- Never executed, and recorded by a clock that was ahead.
        RETURN cronsched.grant_again_v1(p_job, p_wish, p_wish.attempt, p_requested, p_looked);
    END IF;
    SELECT * INTO v_verdict, v_attempt FROM cronsched.again_v1(
        v_run.state, v_run.attempt, v_run.stamp, v_run.epoch,
        EXISTS (SELECT FROM cronsched.executions AS e
            WHERE e.job_id = p_job.id AND e.scheduled = p_wish.scheduled),
        p_wish.attempt, p_wish.stamp, p_wish.epoch, p_wish.retries);
    IF v_verdict = 'granted' THEN
        RETURN cronsched.grant_again_v1(p_job, p_wish, v_attempt, p_requested, p_looked);
    ELSIF v_verdict = 'executing' THEN
        -- Who asks for the next attempt has given up on the last: it is made
        -- when that has ended.
        UPDATE cronsched.runs AS r SET gave_up = coalesce(r.gave_up, p_wish.at),
            next_attempt = coalesce(r.next_attempt, p_wish.at)
            WHERE r.job_id = p_job.id AND r.scheduled = p_wish.scheduled
            AND r.state = 'running';
    END IF;
    RETURN cronsched.answered_v1(v_verdict, v_attempt);
END $$;

-- The answer that was lost on its way: nobody else has this token.
CREATE OR REPLACE FUNCTION cronsched.claimed_before_v1(
    p_job cronsched.jobs, p_run cronsched.runs
) RETURNS cronsched.answer_v1 LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF p_run.state = 'running' THEN
        RETURN cronsched.granted_v1(p_job, p_run.scheduled, p_run.attempt, p_run.fence);
    ELSIF p_run.state IN ('queued', 'lost', 'skipped_overlap', 'skipped_paused') THEN
        RETURN cronsched.answered_v1(p_run.state, p_run.attempt);
    END IF;
    RETURN cronsched.answered_v1('duplicate', p_run.attempt);
END $$;

-- What nearly every claim is: that of a job's next run, where there is nothing
-- that could hinder it. One statement then locks the job and says that the run
-- has begun; all that began before is not later than `newest`, or was asked for
-- by hand. NULL, and the job as it was, where there is anything to be decided.
CREATE OR REPLACE FUNCTION cronsched.claim_next_v1(p_wish cronsched.wish_v1)
RETURNS cronsched.answer_v1 LANGUAGE plpgsql AS $$
DECLARE
    v_timeline bigint := cronsched.timeline_v1();
    v_wish cronsched.wish_v1 := p_wish;
    v_job record;
BEGIN
    -- Before PostgreSQL 18, RETURNING knows no old values.
    UPDATE cronsched.jobs AS j SET fence = greatest(j.fence + 1, v_timeline << 32),
        was_newest = j.newest, newest = p_wish.scheduled,
        was_started = j.last_started, last_started = p_wish.scheduled
    WHERE j.application_id = p_wish.application_id AND j.job = p_wish.job
    AND p_wish.scheduled > greatest(j.newest, j.special_until, 0)
    AND EXISTS (SELECT FROM cronsched.state AS s
        WHERE s.key = 'timeline' AND s.value = v_timeline::text)
    RETURNING j.id, j.fence, j.was_started, j.last_ok, j.delay INTO v_job;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    v_wish.at := cronsched.now_v1(p_wish.at);   -- it may have waited for the lock
    IF EXISTS (SELECT FROM cronsched.pauses AS p WHERE p.job = p_wish.job)
        OR p_wish.overlap <> 'allow' AND EXISTS (
            SELECT FROM cronsched.executions AS e WHERE e.job_id = v_job.id)
        OR NOT cronsched.start_v1(v_job.id, v_wish, NULL, v_job.fence) THEN
        UPDATE cronsched.jobs AS j SET newest = j.was_newest, last_started = j.was_started
            WHERE j.id = v_job.id;
        RETURN NULL;
    END IF;
    RETURN ROW('granted', p_wish.attempt, v_job.was_started, v_job.last_ok, NULL, v_job.delay,
        v_job.fence)::cronsched.answer_v1;
END $$;

CREATE OR REPLACE FUNCTION cronsched.claim_v1(
    p_wish cronsched.wish_v1, p_looked jsonb DEFAULT NULL
) RETURNS cronsched.answer_v1
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_wish cronsched.wish_v1 := p_wish;
    v_job cronsched.jobs;
    v_run cronsched.runs;
    v_answer cronsched.answer_v1;
    v_asked_by text;
BEGIN
    -- A clock that ran away must not use up what is scheduled tomorrow.
    IF p_wish.scheduled > cronsched.now_v1(p_wish.at) + 10.0 THEN
        RETURN cronsched.answered_v1('ahead', p_wish.attempt);
    END IF;
    PERFORM cronsched.durably_v1();
    v_answer := cronsched.claim_next_v1(p_wish);
    IF v_answer.verdict IS NOT NULL THEN
        RETURN v_answer;
    END IF;
    -- A standby that was promoted may not know yet who was granted what.
    IF cronsched.quiet_v1() > 0 THEN
        RETURN cronsched.answered_v1('quiet', p_wish.attempt);
    END IF;
    v_job := cronsched.job_v1(p_wish.application_id, p_wish.job, cronsched.now_v1(p_wish.at));
    v_wish.at := cronsched.now_v1(p_wish.at);
    SELECT * INTO v_run FROM cronsched.runs AS r
        WHERE r.job_id = v_job.id AND r.scheduled = v_wish.scheduled;
    IF v_run.token = v_wish.token THEN
        RETURN cronsched.claimed_before_v1(v_job, v_run);
    ELSIF EXISTS (SELECT FROM cronsched.void_tokens AS v WHERE v.token = v_wish.token)
        OR v_run.job_id IS NULL AND EXISTS (SELECT FROM cronsched.runs AS r
            WHERE r.job_id = v_job.id AND r.until >= v_wish.scheduled
            AND r.scheduled < v_wish.scheduled AND r.ended <= v_wish.at + 2.0) THEN
        RETURN cronsched.answered_v1('duplicate', v_wish.attempt);
    END IF;
    SELECT q.asked_by INTO v_asked_by FROM cronsched.requests AS q
        WHERE q.application_id = v_wish.application_id AND q.job = v_wish.job
        AND q.scheduled = v_wish.scheduled;
    IF v_run.job_id IS NULL THEN
        RETURN cronsched.claim_new_v1(v_job, v_wish, v_asked_by, p_looked);
    END IF;
    RETURN cronsched.claim_again_v1(v_job, v_wish, v_asked_by IS NOT NULL, p_looked);
END $$;

-- Nobody waits any more for the answer to a claim. What it granted was never
-- executed: it is made when it is asked for again. The claim may still be on
-- its way, and is refused then.
CREATE OR REPLACE FUNCTION cronsched.void_v1(
    p_application_id text, p_job text, p_scheduled bigint, p_token bigint,
    p_at double precision DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_now double precision := cronsched.now_v1(p_at);
    v_job cronsched.jobs := cronsched.job_v1(p_application_id, p_job, v_now);
BEGIN
    PERFORM cronsched.durably_v1();
    INSERT INTO cronsched.void_tokens VALUES (p_token, v_now) ON CONFLICT DO NOTHING;
    DELETE FROM cronsched.void_tokens AS v WHERE v.at < v_now - 86400;
    UPDATE cronsched.jobs AS j SET special_until = greatest(j.special_until, p_scheduled)
        WHERE j.id = v_job.id;
    UPDATE cronsched.runs AS r SET state = 'queued', started = NULL, member = NULL, host = NULL,
        pid = NULL, gave_up = NULL, next_attempt = v_now,
        detail = 'the answer to its claim was lost'
        WHERE r.job_id = v_job.id AND r.scheduled = p_scheduled AND r.token = p_token
        AND r.state = 'running';
    IF FOUND THEN
        DELETE FROM cronsched.executions AS e
            WHERE e.job_id = v_job.id AND e.scheduled = p_scheduled;
        PERFORM cronsched.release_v1(v_job.id, v_now);
    END IF;
END $$;
