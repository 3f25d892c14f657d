-- Evidence has a family and a severity; what is high holds the player. Completions have a ceiling of points.

-- Put a reason to doubt a player on their open case, opening one if there is none. The case takes the highest severity of
-- its evidence, and when it becomes high the player is held: hidden from every board, in this transaction.
-- Returns the case; a finding with a fingerprint that the player already has changes nothing and returns NULL.
DROP FUNCTION add_evidence(bigint, text, text, double precision, double precision, bigint[], jsonb, text);
CREATE FUNCTION add_evidence(
    p_user_id bigint, p_rule text, p_reason text, p_value double precision, p_threshold double precision,
    p_entries bigint[], p_details jsonb, p_fingerprint text, p_family text DEFAULT 'G', p_severity text DEFAULT 'low'
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    levels CONSTANT text[] := ARRAY['low', 'medium', 'high'];
    found_case review_cases%ROWTYPE;
BEGIN
    IF EXISTS (SELECT FROM evidence WHERE user_id = p_user_id AND fingerprint = p_fingerprint) THEN
        RETURN NULL;
    END IF;
    -- One statement, which locks the open case: a decision may close it at any moment.
    INSERT INTO review_cases AS c (user_id) VALUES (p_user_id)
        ON CONFLICT (user_id) WHERE status = 'open' DO UPDATE SET status = 'open'
        RETURNING * INTO STRICT found_case;
    INSERT INTO evidence (case_id, user_id, rule, reason, value, threshold, entries, details, fingerprint, family, severity)
        VALUES (found_case.id, p_user_id, p_rule, p_reason, p_value, p_threshold, p_entries, p_details, p_fingerprint,
                p_family, p_severity)
        ON CONFLICT (user_id, fingerprint) DO NOTHING;
    IF NOT FOUND THEN
        RETURN NULL;  -- Somebody else has just added it, and what follows from it.
    END IF;
    UPDATE review_cases SET
            severity = levels[greatest(array_position(levels, severity), array_position(levels, p_severity))],
            held = held OR (p_severity = 'high' AND severity <> 'high'),
            updated_at = clock_timestamp()
        WHERE id = found_case.id;
    IF p_severity = 'high' AND found_case.severity <> 'high' THEN
        PERFORM set_hidden(p_user_id, true);
    END IF;
    RETURN found_case.id;
END $$;

-- What timed actions have paid a player within the last minute, less the five seconds by which one request may be later
-- than another.
CREATE FUNCTION points_lately(p_user_id bigint, p_at timestamptz) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT coalesce(sum(recent.points), 0)
            FROM (SELECT points, created_at FROM ledger_entries WHERE user_id = p_user_id AND kind = 'timed'
                  ORDER BY seq DESC LIMIT 32) AS recent
            WHERE recent.created_at > p_at - interval '55 seconds' AND recent.created_at <= p_at);
END $$;

-- Keep why points were refused at the door, and flag the account.
CREATE FUNCTION suspect(
    p_user_id bigint, p_rule text, p_reason text, p_value double precision, p_threshold double precision, p_details jsonb,
    p_fingerprint text
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM add_evidence(p_user_id, p_rule, p_reason, p_value, p_threshold, '{}', p_details, p_fingerprint);
    UPDATE users SET status = 'flagged' WHERE id = p_user_id AND status = 'active';
END $$;

-- Spend a token and pay for it. `outcome` is 'OK' or an error code. `p_suspicion` names what the caller found wrong with
-- the proof, NULL if nothing; a suspicious completion spends the token, pays nothing and leaves its evidence.
-- `p_ceiling` is what nobody can earn more than within a minute.
DROP FUNCTION complete_timed(bytea, bigint, uuid, text, text, bigint, bigint, text, text, double precision);
CREATE FUNCTION complete_timed(
    p_hash bytea, p_user_id bigint, p_session_id uuid, p_board text, p_action_type text, p_points bigint,
    p_claimed_ms bigint, p_suspicion text, p_reason text, p_threshold double precision, p_ceiling bigint,
    OUT outcome text, OUT score bigint, OUT reached_at timestamptz, OUT version bigint, OUT elapsed_ms bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    token action_tokens%ROWTYPE;
    at timestamptz;
    found_value double precision := p_claimed_ms;
    lately bigint;
    entry record;
BEGIN
    outcome := lock_player(p_user_id, p_session_id);
    IF outcome IS NOT NULL THEN
        RETURN;
    END IF;
    at := clock_timestamp();
    UPDATE action_tokens SET used_at = at
        WHERE hash = p_hash AND user_id = p_user_id AND action_type = p_action_type AND used_at IS NULL AND expires_at > at
        RETURNING * INTO token;
    IF NOT FOUND THEN
        SELECT * INTO token FROM action_tokens WHERE hash = p_hash AND user_id = p_user_id AND action_type = p_action_type;
        outcome := CASE WHEN NOT FOUND THEN 'ACTION_TOKEN_INVALID'
                        WHEN token.used_at IS NOT NULL THEN 'TOKEN_ALREADY_USED' ELSE 'ACTION_TOKEN_EXPIRED' END;
        RETURN;
    END IF;
    elapsed_ms := floor(extract(epoch FROM at - token.issued_at) * 1000);
    IF p_suspicion IS NULL AND p_claimed_ms > elapsed_ms THEN
        p_suspicion := 'claim_exceeds_clock';
        p_reason := 'The claimed time is longer than the server saw pass since it issued the token.';
        p_threshold := elapsed_ms;
    END IF;
    IF p_suspicion IS NULL THEN
        lately := points_lately(p_user_id, at) + p_points;
        IF lately > p_ceiling THEN
            p_suspicion := 'velocity_ceiling';
            p_reason := 'More points within a minute than the actions and the limits make possible.';
            p_threshold := p_ceiling;
            found_value := lately;
        END IF;
    END IF;
    IF p_suspicion IS NOT NULL THEN
        PERFORM suspect(p_user_id, p_suspicion, p_reason, found_value, p_threshold,
                        jsonb_build_object('actionType', p_action_type, 'claimedMs', p_claimed_ms,
                                           'elapsedMs', elapsed_ms, 'issuedAt', token.issued_at),
                        encode(p_hash, 'hex'));
        outcome := 'SUSPICIOUS_ACTIVITY';
        RETURN;
    END IF;
    SELECT * INTO entry FROM append_entry(p_user_id, p_board, p_action_type, 'timed', p_points, p_hash, NULL,
                                          p_claimed_ms, elapsed_ms, NULL);
    SELECT 'OK', entry.score, entry.reached_at, entry.version INTO outcome, score, reached_at, version;
END $$;

GRANT SELECT, INSERT, UPDATE, DELETE ON anticheat_states, refusals TO fairboard_app;
