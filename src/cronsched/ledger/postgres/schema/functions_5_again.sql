-- A standby that is promoted may not have the latest claims. Who was granted
-- them says them again; what is there already stays as it is. Each: [application
-- id, job, scheduled, attempt, stamp, epoch, token, member, host, pid, thread,
-- started, retries, backoff, timeout, outcome, took, detail, fence], without an
-- outcome while it executes. Returns how many were lost.

CREATE OR REPLACE FUNCTION cronsched.say_again_v1(p_claims jsonb) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_each jsonb;
    v_job cronsched.jobs;
    v_lost integer := 0;
BEGIN
    PERFORM cronsched.durably_v1();
    -- Of ten minutes, most are there: those cost a look, and no lock. Two that say
    -- theirs at once lock the jobs in the same order.
    FOR v_each IN SELECT c.value FROM jsonb_array_elements(p_claims) AS c
        LEFT JOIN cronsched.jobs AS j
            ON (j.application_id, j.job) = (c.value ->> 0, c.value ->> 1)
        LEFT JOIN cronsched.runs AS r
            ON r.job_id = j.id AND r.scheduled = (c.value ->> 2)::bigint
        WHERE r.job_id IS NULL
            OR r.attempt < (c.value ->> 3)::integer
            OR r.attempt = (c.value ->> 3)::integer AND c.value ->> 15 IS NOT NULL
                AND r.state IN ('running', 'timed_out', 'lost')
        ORDER BY c.value ->> 0, c.value ->> 1, (c.value ->> 2)::bigint
    LOOP
        v_job := cronsched.job_v1(v_each ->> 0, v_each ->> 1, (v_each ->> 11)::double precision);
        INSERT INTO cronsched.runs AS r (job_id, scheduled, state, attempt, stamp, epoch, token,
            member, host, pid, started, attempts_left, fence)
        VALUES (v_job.id, (v_each ->> 2)::bigint, 'running', (v_each ->> 3)::integer,
            (v_each ->> 4)::bigint, (v_each ->> 5)::bigint, (v_each ->> 6)::bigint,
            (v_each ->> 7)::bigint, v_each ->> 8, (v_each ->> 9)::integer,
            (v_each ->> 11)::double precision,
            greatest((v_each ->> 12)::integer + 1 - (v_each ->> 3)::integer, 0),
            coalesce((v_each ->> 18)::bigint, 0))
        ON CONFLICT ON CONSTRAINT runs_pkey DO UPDATE SET state = excluded.state,
            attempt = excluded.attempt, stamp = excluded.stamp, epoch = excluded.epoch,
            token = excluded.token, member = excluded.member, host = excluded.host,
            pid = excluded.pid, started = excluded.started, ended = NULL, status = NULL,
            detail = NULL, gave_up = NULL, next_attempt = NULL,
            attempts_left = excluded.attempts_left, fence = excluded.fence
            -- Of what was claimed since, this knows nothing.
            WHERE r.attempt < excluded.attempt AND r.state <> 'running';
        IF FOUND THEN
            v_lost := v_lost + 1;
            INSERT INTO cronsched.executions VALUES (v_job.id, (v_each ->> 2)::bigint,
                (v_each ->> 3)::integer, (v_each ->> 7)::bigint, v_each ->> 10,
                (v_each ->> 11)::double precision + (v_each ->> 14)::double precision + 5.0,
                (v_each ->> 12)::integer, (v_each ->> 13)::double precision)
            ON CONFLICT DO NOTHING;
            UPDATE cronsched.jobs AS j SET newest = greatest(j.newest, (v_each ->> 2)::bigint),
                last_started = greatest(j.last_started, (v_each ->> 2)::bigint)
                WHERE j.id = v_job.id;
        END IF;
        IF v_each ->> 15 IS NOT NULL THEN   -- the end may be what was lost
            PERFORM cronsched.finish_v1(v_each ->> 0, v_each ->> 1, (v_each ->> 2)::bigint,
                (v_each ->> 3)::integer, v_each ->> 15, (v_each ->> 16)::double precision,
                v_each ->> 17);
        END IF;
    END LOOP;
    IF v_lost > 0 THEN
        PERFORM cronsched.count_v1('said_again', v_lost);
    END IF;
    RETURN v_lost;
END $$;
