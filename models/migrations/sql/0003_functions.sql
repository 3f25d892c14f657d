-- Decisions: completions are reversed many at a time, and who is held stays held, on boards that are new to them too.

-- Reverse entries of one player, each by an entry of its own, and fold all of them into the standings at once: a loop of
-- append_entry would change one row thousands of times in one transaction. `p_data` says who reverses and why.
-- The caller holds the lock on the player's head. Returns how many were reversed.
CREATE FUNCTION reverse_entries(p_user_id bigint, p_entries bigint[], p_data jsonb) RETURNS bigint LANGUAGE plpgsql AS $$
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
        SELECT board, sum(points) AS points, max(created_at) AS reached_at FROM ledger_entries
            WHERE reverses = ANY (written) GROUP BY board
    ), changed AS (
        UPDATE standings s SET score = s.score + n.points, reached_at = n.reached_at, version = s.version + 1
            FROM news n WHERE s.board = n.board AND s.user_id = p_user_id RETURNING s.board
    )
    INSERT INTO outbox (board, user_id) SELECT board, p_user_id FROM changed;
    RETURN cardinality(written);
END $$;

-- Whether an open case keeps the player off the boards.
CREATE FUNCTION is_held(p_user_id bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM review_cases WHERE user_id = p_user_id AND status = 'open' AND held);
$$;

-- Whether the player is off a board. Volatile, so that it sees what the same statement has just done.
CREATE FUNCTION is_hidden(p_user_id bigint, p_board text) RETURNS boolean LANGUAGE sql VOLATILE AS $$
    SELECT hidden FROM standings WHERE board = p_board AND user_id = p_user_id;
$$;

-- As in 0002, but what holds a player takes the lock on the player's head first, as completions and decisions do: a
-- decision about another case of the player cannot show them at the same moment.
CREATE OR REPLACE FUNCTION add_evidence(
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
    IF p_severity = 'high' THEN
        PERFORM FROM ledger_heads WHERE user_id = p_user_id FOR UPDATE;
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

-- As in 0001, but a player who is held is hidden on a board that they come to for the first time.
CREATE OR REPLACE FUNCTION append_entry(
    p_user_id bigint, p_board text, p_action_type text, p_kind text, p_points bigint, p_token_hash bytea, p_reverses bigint,
    p_claimed_ms bigint, p_elapsed_ms bigint, p_data jsonb,
    OUT entry_id bigint, OUT score bigint, OUT reached_at timestamptz, OUT version bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    head ledger_heads%ROWTYPE;
    at timestamptz := clock_timestamp();
    entry_hash bytea;
BEGIN
    SELECT * INTO STRICT head FROM ledger_heads WHERE user_id = p_user_id FOR UPDATE;
    entry_hash := ledger_hash(head.hash, p_user_id, head.seq + 1, p_board, p_action_type, p_kind, p_points,
                              p_token_hash, p_reverses, p_claimed_ms, p_elapsed_ms, p_data, at);
    INSERT INTO ledger_entries (user_id, seq, board, action_type, kind, points, token_hash, reverses, claimed_ms,
                                elapsed_ms, data, created_at, previous_hash, hash)
        VALUES (p_user_id, head.seq + 1, p_board, p_action_type, p_kind, p_points, p_token_hash, p_reverses, p_claimed_ms,
                p_elapsed_ms, p_data, at, head.hash, entry_hash)
        ON CONFLICT (user_id, action_type) WHERE kind = 'once' DO NOTHING
        RETURNING id INTO entry_id;
    IF entry_id IS NULL THEN
        RETURN;
    END IF;
    UPDATE ledger_heads SET seq = head.seq + 1, hash = entry_hash WHERE user_id = p_user_id;
    -- Not one INSERT ... ON CONFLICT: a reversal's points alone would break the check that scores are not negative.
    UPDATE standings AS s SET score = s.score + p_points, reached_at = at, version = s.version + 1
        WHERE s.board = p_board AND s.user_id = p_user_id
        RETURNING s.score, s.reached_at, s.version INTO score, reached_at, version;
    IF NOT FOUND THEN
        INSERT INTO standings AS s (board, user_id, score, reached_at, version, hidden)
            VALUES (p_board, p_user_id, p_points, at, 1, is_held(p_user_id))
            RETURNING s.score, s.reached_at, s.version INTO score, reached_at, version;
    END IF;
    INSERT INTO outbox (board, user_id) VALUES (p_board, p_user_id);
END $$;
