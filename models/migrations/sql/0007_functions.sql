-- Whether a player's ledger already holds as many completions as a window allows (services/rate_limits.py), the next one
-- coming after entry `p_seq`. Redis counts calls and may forget them: a restored file, a failover, a clock. The ledger
-- does not. Its windows are five seconds shorter, because an entry is written a little later than its call was counted.
-- A clock that has stepped back bars nobody. One look into an index per window tells that there is room; only where
-- there seems to be none are entries counted.
CREATE FUNCTION is_over_limit(p_user_id bigint, p_seq bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM (VALUES (10, interval '55 s'), (100, interval '3595 s'), (500, interval '86395 s')) AS w (most, span)
            JOIN ledger_entries first ON first.user_id = p_user_id AND first.seq = p_seq - w.most + 1
        WHERE first.created_at BETWEEN clock_timestamp() - w.span AND clock_timestamp() AND w.most <= (
            SELECT count(*) FROM ledger_entries e
                WHERE e.user_id = p_user_id AND e.kind <> 'reversal'
                    AND e.created_at BETWEEN clock_timestamp() - w.span AND clock_timestamp()
        )
    );
$$;

-- Whether this session may earn points: NULL if so, else the error code. Locks the player's head first, so that what
-- a suspension or another completion of the same player is doing ends before this one begins.
CREATE OR REPLACE FUNCTION lock_player(p_user_id bigint, p_session_id uuid) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    standing text;
    last bigint;
BEGIN
    SELECT seq INTO last FROM ledger_heads WHERE user_id = p_user_id FOR UPDATE;
    SELECT u.status INTO standing FROM users u JOIN sessions s ON s.user_id = u.id
        WHERE u.id = p_user_id AND s.id = p_session_id AND s.revoked_at IS NULL;
    RETURN CASE WHEN standing IS NULL THEN 'INVALID_TOKEN'
                WHEN standing = 'suspended' THEN 'ACCOUNT_SUSPENDED'
                WHEN is_over_limit(p_user_id, last) THEN 'RATE_LIMIT_EXCEEDED' END;
END $$;
