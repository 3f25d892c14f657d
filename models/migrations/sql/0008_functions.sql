-- Keep a new action token. Returns the time from which it counts. May be said twice, for a connection that was lost before
-- its answer came.
CREATE OR REPLACE FUNCTION issue_action_token(
    p_hash bytea, p_user_id bigint, p_action_type text, p_lifetime interval
) RETURNS timestamptz LANGUAGE sql AS $$
    INSERT INTO action_tokens (hash, user_id, action_type, issued_at, expires_at)
        VALUES (p_hash, p_user_id, p_action_type, clock_timestamp(), clock_timestamp() + p_lifetime)
        ON CONFLICT (hash) DO UPDATE SET hash = excluded.hash
        RETURNING expires_at;
$$;

-- What a web server of 0.1.0 calls, which knows no ceiling of points: it goes on while an upgrade is under way, and after
-- a rollback.
CREATE FUNCTION complete_timed(
    p_hash bytea, p_user_id bigint, p_session_id uuid, p_board text, p_action_type text, p_points bigint,
    p_claimed_ms bigint, p_suspicion text, p_reason text, p_threshold double precision,
    OUT outcome text, OUT score bigint, OUT reached_at timestamptz, OUT version bigint, OUT elapsed_ms bigint
) LANGUAGE sql AS $$
    SELECT * FROM complete_timed(p_hash, p_user_id, p_session_id, p_board, p_action_type, p_points, p_claimed_ms,
                                 p_suspicion, p_reason, p_threshold, 9223372036854775807);
$$;
