-- The score transaction. Each function is one statement for its caller: one round trip, one transaction.
-- Times come from this server alone, so that clocks of web servers need not agree.

-- The hash of an entry: SHA-256 over the previous entry's hash and the fields, joined by '|', NULL as ''.
CREATE FUNCTION ledger_hash(
    p_previous bytea, p_user_id bigint, p_seq bigint, p_board text, p_action_type text, p_kind text, p_points bigint,
    p_token_hash bytea, p_reverses bigint, p_claimed_ms bigint, p_elapsed_ms bigint, p_data jsonb, p_created_at timestamptz
) RETURNS bytea LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN sha256(p_previous || convert_to(
        p_user_id || '|' || p_seq || '|' || p_board || '|' || p_action_type || '|' || p_kind || '|' || p_points
        || '|' || coalesce(encode(p_token_hash, 'hex'), '') || '|' || coalesce(p_reverses::text, '')
        || '|' || coalesce(p_claimed_ms::text, '') || '|' || coalesce(p_elapsed_ms::text, '')
        || '|' || coalesce(p_data::text, '') || '|' || (extract(epoch FROM p_created_at) * 1000000)::bigint, 'UTF8'));
END $$;

-- Add an entry to a player's chain and fold it into the standing. The caller holds the lock on the player's head.
-- `entry_id` is NULL, and nothing is written, when the player has completed this `once` action before.
CREATE FUNCTION append_entry(
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
        INSERT INTO standings AS s (board, user_id, score, reached_at, version) VALUES (p_board, p_user_id, p_points, at, 1)
            RETURNING s.score, s.reached_at, s.version INTO score, reached_at, version;
    END IF;
    INSERT INTO outbox (board, user_id) VALUES (p_board, p_user_id);
END $$;

-- Put a reason to doubt a player on their open case, opening one if there is none, and flag the account.
-- Returns the case; a finding with a fingerprint that the player already has changes nothing.
CREATE FUNCTION add_evidence(
    p_user_id bigint, p_rule text, p_reason text, p_value double precision, p_threshold double precision,
    p_entries bigint[], p_details jsonb, p_fingerprint text
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    open_case bigint;
BEGIN
    IF EXISTS (SELECT FROM evidence WHERE user_id = p_user_id AND fingerprint = p_fingerprint) THEN
        RETURN NULL;
    END IF;
    -- One statement, which locks the open case: a decision may close it at any moment.
    INSERT INTO review_cases (user_id) VALUES (p_user_id)
        ON CONFLICT (user_id) WHERE status = 'open' DO UPDATE SET status = 'open'
        RETURNING id INTO STRICT open_case;
    INSERT INTO evidence (case_id, user_id, rule, reason, value, threshold, entries, details, fingerprint)
        VALUES (open_case, p_user_id, p_rule, p_reason, p_value, p_threshold, p_entries, p_details, p_fingerprint)
        ON CONFLICT (user_id, fingerprint) DO NOTHING;
    UPDATE users SET status = 'flagged' WHERE id = p_user_id AND status = 'active';
    RETURN open_case;
END $$;

-- Whether this session may earn points: NULL if so, else the error code. Locks the player's head first, so that what
-- a suspension or another completion of the same player is doing ends before this one begins.
CREATE FUNCTION lock_player(p_user_id bigint, p_session_id uuid) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    standing text;
BEGIN
    PERFORM FROM ledger_heads WHERE user_id = p_user_id FOR UPDATE;
    SELECT u.status INTO standing FROM users u JOIN sessions s ON s.user_id = u.id
        WHERE u.id = p_user_id AND s.id = p_session_id AND s.revoked_at IS NULL;
    RETURN CASE WHEN standing IS NULL THEN 'INVALID_TOKEN' WHEN standing = 'suspended' THEN 'ACCOUNT_SUSPENDED' END;
END $$;

-- Keep a new action token. Returns the time from which it counts.
CREATE FUNCTION issue_action_token(p_hash bytea, p_user_id bigint, p_action_type text, p_lifetime interval)
RETURNS timestamptz LANGUAGE sql AS $$
    INSERT INTO action_tokens (hash, user_id, action_type, issued_at, expires_at)
        VALUES (p_hash, p_user_id, p_action_type, clock_timestamp(), clock_timestamp() + p_lifetime)
        RETURNING expires_at;
$$;

-- Spend a token and pay for it. `outcome` is 'OK' or an error code. `p_suspicion` names what the caller found wrong with
-- the proof, NULL if nothing; a suspicious completion spends the token, pays nothing and leaves its evidence.
CREATE FUNCTION complete_timed(
    p_hash bytea, p_user_id bigint, p_session_id uuid, p_board text, p_action_type text, p_points bigint,
    p_claimed_ms bigint, p_suspicion text, p_reason text, p_threshold double precision,
    OUT outcome text, OUT score bigint, OUT reached_at timestamptz, OUT version bigint, OUT elapsed_ms bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    token action_tokens%ROWTYPE;
    at timestamptz;
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
    IF p_suspicion IS NOT NULL THEN
        PERFORM add_evidence(p_user_id, p_suspicion, p_reason, p_claimed_ms, p_threshold, '{}',
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

-- Pay for an action that a player completes once. `outcome` is 'OK' or an error code.
CREATE FUNCTION complete_once(
    p_user_id bigint, p_session_id uuid, p_board text, p_action_type text, p_points bigint, p_data jsonb,
    OUT outcome text, OUT score bigint, OUT reached_at timestamptz, OUT version bigint
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    entry record;
BEGIN
    outcome := lock_player(p_user_id, p_session_id);
    IF outcome IS NOT NULL THEN
        RETURN;
    END IF;
    SELECT * INTO entry FROM append_entry(p_user_id, p_board, p_action_type, 'once', p_points, NULL, NULL, NULL, NULL, p_data);
    IF entry.entry_id IS NULL THEN
        outcome := 'ACTION_ALREADY_COMPLETED';
        RETURN;
    END IF;
    SELECT 'OK', entry.score, entry.reached_at, entry.version INTO outcome, score, reached_at, version;
END $$;

-- Show or hide a player on every board; each standing that changes gets a version and an outbox row.
CREATE FUNCTION set_hidden(p_user_id bigint, p_hidden boolean) RETURNS void LANGUAGE sql AS $$
    WITH changed AS (
        UPDATE standings SET hidden = p_hidden, version = version + 1
            WHERE user_id = p_user_id AND hidden <> p_hidden RETURNING board, user_id
    )
    INSERT INTO outbox (board, user_id) SELECT board, user_id FROM changed;
$$;

-- The ledger is append-only, for its owner too.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER ledger_entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER decisions_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON decisions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The role that the application works under: it may add to the ledger, never change it.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'fairboard_app') THEN
        CREATE ROLE fairboard_app NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;  -- Another database of this server was faster.
END $$;
GRANT USAGE ON SCHEMA public TO fairboard_app;
GRANT SELECT, INSERT ON ledger_entries, decisions, evidence TO fairboard_app;
GRANT SELECT, INSERT, UPDATE ON users, ledger_heads, standings, review_cases, boards TO fairboard_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON sessions, action_tokens, outbox TO fairboard_app;
GRANT SELECT ON alembic_version TO fairboard_app;
