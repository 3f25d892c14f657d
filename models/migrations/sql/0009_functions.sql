-- Clocks that go back: PostgreSQL's own, or that of a standby that took over.

-- As in 0002, but a token that by this clock has yet to be issued is none that can be spent. It was issued by a clock that was
-- ahead, of which its player knows nothing: no evidence, and the token stays as it was.
CREATE OR REPLACE FUNCTION complete_timed(
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
            AND issued_at <= at
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

-- As in 0003, but a score is reached by the last entry of the chain, as in append_entry, whatever its time.
CREATE OR REPLACE FUNCTION reverse_entries(p_user_id bigint, p_entries bigint[], p_data jsonb) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    head ledger_heads%ROWTYPE;
    entry record;
    at timestamptz;
    next_hash bytea;
    written bigint[] := '{}';
BEGIN
    SELECT * INTO STRICT head FROM ledger_heads WHERE user_id = p_user_id FOR UPDATE;
    FOR entry IN SELECT id, board, action_type, points FROM ledger_entries
        WHERE id = ANY (p_entries) AND user_id = p_user_id ORDER BY id
    LOOP
        at := clock_timestamp();
        next_hash := ledger_hash(head.hash, p_user_id, head.seq + 1, entry.board, entry.action_type, 'reversal',
                                 -entry.points, NULL, entry.id, NULL, NULL, p_data, at);
        INSERT INTO ledger_entries (user_id, seq, board, action_type, kind, points, reverses, data, created_at,
                                    previous_hash, hash)
            VALUES (p_user_id, head.seq + 1, entry.board, entry.action_type, 'reversal', -entry.points, entry.id, p_data,
                    at, head.hash, next_hash);
        head.seq := head.seq + 1;
        head.hash := next_hash;
        written := written || entry.id;
    END LOOP;
    UPDATE ledger_heads SET seq = head.seq, hash = head.hash WHERE user_id = p_user_id;
    WITH news AS (
        SELECT board, sum(points) AS points, (array_agg(created_at ORDER BY seq DESC))[1] AS reached_at
            FROM ledger_entries WHERE reverses = ANY (written) GROUP BY board
    ), changed AS (
        UPDATE standings s SET score = s.score + n.points, reached_at = n.reached_at, version = s.version + 1
            FROM news n WHERE s.board = n.board AND s.user_id = p_user_id RETURNING s.board
    )
    INSERT INTO outbox (board, user_id) SELECT board, p_user_id FROM changed;
    RETURN cardinality(written);
END $$;
