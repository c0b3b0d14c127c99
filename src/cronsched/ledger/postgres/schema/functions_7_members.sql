-- Who fires what, among several machines: members that beat, and seats, each
-- the right to fire one application id. The database compares its clock with
-- itself alone; who is dead is judged by what the others have seen of it.

-- Each promotion of a standby begins a new one (`pg_walfile_name`: the first
-- eight digits). 0 on a standby.
CREATE OR REPLACE FUNCTION cronsched.timeline_v1() RETURNS bigint
LANGUAGE sql VOLATILE AS $$
    SELECT CASE WHEN pg_is_in_recovery() THEN 0 ELSE
        ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::bigint END
$$;

-- Of a job, each claim that is granted has a greater one; also where a failover
-- forgot the last ones, and after those of a ledger of one machine.
CREATE OR REPLACE FUNCTION cronsched.next_fence_v1(p_job cronsched.jobs) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
    SELECT greatest(p_job.fence + 1, cronsched.timeline_v1() << 32)
$$;

-- For how many seconds more nothing is granted. A standby that was promoted may
-- have lost the latest claims: first, all that live say theirs again. A worker
-- that executes asks each second, so it is not less than three.
CREATE OR REPLACE FUNCTION cronsched.quiet_v1() RETURNS double precision
LANGUAGE plpgsql AS $$
DECLARE
    v_timeline text := cronsched.timeline_v1();
    v_known text := (SELECT s.value FROM cronsched.state AS s WHERE s.key = 'timeline');
    v_now double precision := cronsched.now_v1(NULL);
    v_left double precision;
BEGIN
    IF v_known = v_timeline THEN
        RETURN 0;
    ELSIF v_known IS NULL THEN
        INSERT INTO cronsched.state VALUES ('timeline', v_timeline) ON CONFLICT DO NOTHING;
        RETURN 0;
    END IF;
    -- Of all who find it so, the first says until when.
    INSERT INTO cronsched.state AS s VALUES ('quiet', concat_ws(' ', v_timeline, v_now + greatest(
            3.0, (SELECT max(m.hold) FROM cronsched.members AS m
                WHERE m.seen IS NOT NULL AND NOT m.dead))))
        ON CONFLICT (key) DO UPDATE SET value = excluded.value
        WHERE split_part(s.value, ' ', 1) <> v_timeline;
    v_left := (SELECT split_part(s.value, ' ', 2)::double precision FROM cronsched.state AS s
        WHERE s.key = 'quiet') - v_now;
    IF v_left <= 0 THEN     -- only now does `claim_next_v1` know the timeline
        UPDATE cronsched.state AS s SET value = v_timeline
            WHERE s.key = 'timeline' AND s.value <> v_timeline;
    END IF;
    RETURN greatest(v_left, 0);
END $$;

-- From now on it beats, and each beat lets it fire for `p_hold` seconds. What its
-- machine executes is lost when it was not heard for `p_lost_after` seconds.
-- `p_place`: processes of one place share a lease.
CREATE OR REPLACE FUNCTION cronsched.enter_v1(
    p_member bigint, p_place text, p_hold double precision, p_lost_after double precision
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE cronsched.members AS m SET place = p_place, hold = p_hold, lost_after = p_lost_after,
        seen = cronsched.now_v1(NULL)
        WHERE m.id = p_member AND NOT m.dead;
    RETURN FOUND;
END $$;

-- A beat, and what there is to know; the next one for NULL. Without `alive`, it
-- was deposed. Of those
-- not heard for a while, `suspects`, their last beats, and how long such a beat
-- lets them fire; `places` are those of
-- all that live. `free`: how many seats have nobody; `wanted`: some of ours that others
-- want.
CREATE OR REPLACE FUNCTION cronsched.beat_v1(
    p_member bigint, p_beat bigint, p_offset double precision,
    OUT alive boolean, OUT now double precision, OUT started double precision,
    OUT timeline bigint, OUT quiet double precision, OUT free bigint, OUT requested boolean,
    OUT places text[], OUT suspects bigint[], OUT beats bigint[], OUT holds double precision[],
    OUT wanted text[]
) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_me cronsched.members;
BEGIN
    -- A beat that is lost with the server does no harm.
    PERFORM set_config('synchronous_commit', 'off', true);
    now := cronsched.now_v1(NULL);
    SELECT * INTO v_me FROM cronsched.members AS m WHERE m.id = p_member;
    UPDATE cronsched.members AS m SET beat = coalesce(p_beat, m.beat + 1), seen = now,
        clock_offset = p_offset
        WHERE m.id = p_member AND NOT m.dead AND m.beat <= coalesce(p_beat, m.beat);
    alive := FOUND;
    IF NOT alive AND v_me.dead THEN
        PERFORM cronsched.count_v1('deposed');
    ELSIF alive AND now - v_me.seen > v_me.hold THEN
        PERFORM cronsched.count_v1('lapses');
    END IF;
    started := extract(epoch FROM pg_postmaster_start_time());
    timeline := cronsched.timeline_v1();
    quiet := cronsched.quiet_v1();
    free := (SELECT count(*) FROM cronsched.seats AS s WHERE s.member IS NULL);
    requested := EXISTS (SELECT FROM cronsched.requests AS q WHERE q.taken IS NULL);
    SELECT array_agg(DISTINCT m.place),
        array_agg(m.id ORDER BY m.id) FILTER (WHERE m.is_late),
        array_agg(m.beat ORDER BY m.id) FILTER (WHERE m.is_late),
        array_agg(m.hold ORDER BY m.id) FILTER (WHERE m.is_late)
        INTO places, suspects, beats, holds
        FROM (SELECT *, l.id <> p_member AND l.seen < now - l.hold * 0.23 AS is_late
            FROM cronsched.members AS l WHERE l.seen IS NOT NULL AND NOT l.dead) AS m;
    wanted := ARRAY(SELECT s.application_id FROM cronsched.seats AS s
        WHERE s.member = p_member AND s.wanted_by IS NOT NULL LIMIT 100);
END $$;

-- It is dead if it has not beaten since; then its seats are free. Whoever was
-- convicted convicts nobody.
CREATE OR REPLACE FUNCTION cronsched.convict_v1(
    p_member bigint, p_suspect bigint, p_beat bigint
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- In this order, as two may convict each other.
    PERFORM FROM cronsched.members AS m WHERE m.id IN (p_member, p_suspect)
        ORDER BY m.id FOR NO KEY UPDATE;
    IF NOT EXISTS (SELECT FROM cronsched.members AS m WHERE m.id = p_member AND NOT m.dead) THEN
        RETURN false;
    END IF;
    UPDATE cronsched.members AS m SET dead = true
        WHERE m.id = p_suspect AND m.beat = p_beat AND NOT m.dead;
    IF FOUND THEN
        UPDATE cronsched.seats AS s SET member = NULL WHERE s.member = p_suspect;
        PERFORM cronsched.count_v1('convictions');
        RETURN true;
    END IF;
    RETURN false;
END $$;

-- Those of these seats that are ours, after what is free was taken: each begins
-- a new term, whose number grows also where a failover forgot the last ones.
CREATE OR REPLACE FUNCTION cronsched.take_v1(p_member bigint, p_application_ids text[])
RETURNS TABLE (application_id text, epoch bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_least bigint := (cronsched.timeline_v1() - 1) * 1000000 + 1;
BEGIN
    -- One after the other: two who take the same ones would wait for each
    -- other's rows, in an order that nobody knows ("SEAT").
    PERFORM pg_advisory_xact_lock(x'53454154'::int);
    PERFORM FROM cronsched.members AS m WHERE m.id = p_member AND NOT m.dead FOR SHARE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM cronsched.durably_v1();
    -- Those that are new, those that are free, and those that are ours already.
    RETURN QUERY WITH wanted AS (
        SELECT DISTINCT w.id FROM unnest(p_application_ids) AS w (id)
    ), made AS (
        INSERT INTO cronsched.seats AS s (application_id, member, epoch)
            SELECT w.id, p_member, v_least FROM wanted AS w WHERE NOT EXISTS (
                SELECT FROM cronsched.seats AS k WHERE k.application_id = w.id)
            ON CONFLICT DO NOTHING RETURNING s.application_id, s.epoch
    ), taken AS (
        UPDATE cronsched.seats AS s SET member = p_member, wanted_by = NULL,
            epoch = greatest(s.epoch + 1, v_least)
            FROM wanted AS w WHERE s.application_id = w.id AND s.member IS NULL
            RETURNING s.application_id, s.epoch
    )
    SELECT * FROM made UNION ALL SELECT * FROM taken UNION ALL
    SELECT s.application_id, s.epoch FROM cronsched.seats AS s
        JOIN wanted AS w ON w.id = s.application_id WHERE s.member = p_member;
END $$;

-- What is ours; for who has lost the thread.
CREATE OR REPLACE FUNCTION cronsched.seats_v1(p_member bigint)
RETURNS TABLE (application_id text, epoch bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.application_id, s.epoch FROM cronsched.seats AS s WHERE s.member = p_member
$$;

-- Of those that others have, and that we would have by the hash.
CREATE OR REPLACE FUNCTION cronsched.want_v1(p_member bigint, p_application_ids text[])
RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE cronsched.seats AS s SET wanted_by = p_member
        WHERE s.application_id = ANY (p_application_ids) AND s.member <> p_member
        AND s.wanted_by IS DISTINCT FROM p_member
$$;

-- Seats given back, all for NULL; or taken from us: nothing happens.
CREATE OR REPLACE FUNCTION cronsched.give_v1(p_member bigint, p_application_ids text[])
RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE cronsched.seats AS s SET member = NULL, wanted_by = NULL
        WHERE s.member = p_member
        AND (p_application_ids IS NULL OR s.application_id = ANY (p_application_ids));
END $$;

-- It beats no more: nobody has to wait until it is convicted.
CREATE OR REPLACE FUNCTION cronsched.leave_v1(p_member bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE cronsched.members AS m SET dead = true WHERE m.id = p_member AND m.seen IS NOT NULL;
    PERFORM cronsched.give_v1(p_member, NULL);
END $$;

-- May it write as the sender of what it fired? Not if another has the office,
-- or nobody: what it did not record is found and fired.
CREATE OR REPLACE FUNCTION cronsched.is_deposed_v1(p_application_id text, p_member bigint)
RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM cronsched.seats AS s
        WHERE s.application_id = p_application_id AND s.member IS DISTINCT FROM p_member);
END $$;

-- An operator knows that these will never be heard again: what they execute is
-- lost, and what they fire is free. One that comes back all the same begins
-- anew.
CREATE OR REPLACE FUNCTION cronsched.give_up_v1(
    p_members bigint[], p_at double precision DEFAULT NULL
) RETURNS TABLE (application_id text, job text, scheduled bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_now double precision := cronsched.now_v1(p_at);
    v_each record;
    v_job cronsched.jobs;
BEGIN
    PERFORM cronsched.durably_v1();
    PERFORM FROM cronsched.members AS m WHERE m.id = ANY (p_members)
        ORDER BY m.id FOR NO KEY UPDATE;
    UPDATE cronsched.members AS m SET dead = true WHERE m.id = ANY (p_members) AND NOT m.dead;
    UPDATE cronsched.seats AS s SET member = NULL, wanted_by = NULL
        WHERE s.member = ANY (p_members);
    DELETE FROM cronsched.owners AS o WHERE o.member = ANY (p_members);
    FOR v_each IN SELECT e.job_id, e.scheduled FROM cronsched.executions AS e
        WHERE e.member = ANY (p_members) ORDER BY e.job_id, e.scheduled
    LOOP
        SELECT * INTO v_job FROM cronsched.jobs AS j WHERE j.id = v_each.job_id
            FOR NO KEY UPDATE;
        IF cronsched.lose_v1(
            v_job, v_each.scheduled, v_now, 'its machine was given up by hand') THEN
            RETURN QUERY SELECT v_job.application_id, v_job.job, v_each.scheduled;
        END IF;
    END LOOP;
END $$;
