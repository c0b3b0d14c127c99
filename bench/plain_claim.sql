-- A claim that does no more than it must: it locks its job, makes the row of the
-- run and that of its execution, each with a unique key, and looks for a pause
-- and for another run. The measure of what `cronsched.claim_v1` adds to that:
-- attempts, answers that were lost, processes that died, promoted standbys,
-- clocks that ran away, and what is told of the runs before.
CREATE SCHEMA plain;
CREATE TABLE plain.jobs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, application_id text COLLATE "C" NOT NULL,
    job text COLLATE "C" NOT NULL, last_ok bigint, UNIQUE (application_id, job)
);
CREATE TABLE plain.runs (
    job_id bigint, scheduled bigint, state text NOT NULL, attempt integer NOT NULL, token bigint,
    member bigint, started double precision, ended double precision, status integer, detail text,
    PRIMARY KEY (job_id, scheduled)
);
CREATE TABLE plain.executions (
    job_id bigint, scheduled bigint, attempt integer, member bigint, deadline double precision,
    PRIMARY KEY (job_id, scheduled)
);
CREATE TABLE plain.pauses (
    application_id text COLLATE "C", job text COLLATE "C", PRIMARY KEY (job, application_id)
);

CREATE FUNCTION plain.claim(
    p_application_id text, p_job text, p_scheduled bigint, p_attempt integer, p_overlap text,
    p_timeout double precision, p_token bigint, p_member bigint,
    OUT verdict text, OUT previous bigint, OUT last_ok bigint
) LANGUAGE plpgsql AS $$
DECLARE
    v_job plain.jobs;
    v_now double precision;
BEGIN
    PERFORM set_config('synchronous_commit', 'on', true);
    SELECT * INTO v_job FROM plain.jobs AS j
        WHERE j.application_id = p_application_id AND j.job = p_job FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        INSERT INTO plain.jobs (application_id, job) VALUES (p_application_id, p_job)
            ON CONFLICT DO NOTHING;
        SELECT * INTO v_job FROM plain.jobs AS j
            WHERE j.application_id = p_application_id AND j.job = p_job FOR NO KEY UPDATE;
    END IF;
    v_now := extract(epoch FROM clock_timestamp());
    INSERT INTO plain.runs (job_id, scheduled, state, attempt, token, member, started)
        VALUES (v_job.id, p_scheduled, 'running', p_attempt, p_token, p_member, v_now)
        ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        verdict := 'duplicate';
    ELSIF EXISTS (SELECT FROM plain.pauses AS p
        WHERE p.job = p_job AND p.application_id = p_application_id) THEN
        verdict := 'skipped_paused';
    ELSIF p_overlap <> 'allow' AND EXISTS (
        SELECT FROM plain.executions AS e WHERE e.job_id = v_job.id) THEN
        verdict := 'skipped_overlap';
    ELSE
        INSERT INTO plain.executions
            VALUES (v_job.id, p_scheduled, p_attempt, p_member, v_now + p_timeout);
        previous := (SELECT max(r.scheduled) FROM plain.runs AS r
            WHERE r.job_id = v_job.id AND r.scheduled < p_scheduled);
        last_ok := v_job.last_ok;
        verdict := 'granted';
    END IF;
END $$;
GRANT USAGE ON SCHEMA plain TO app;
GRANT ALL ON ALL TABLES IN SCHEMA plain TO app;
