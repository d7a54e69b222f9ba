-- One writer at a time, and everything a stage has said for good, each record sealed with a hash over the one before.

-- migrate:up
ALTER TABLE stage_state
    ALTER COLUMN state DROP NOT NULL,
    ADD COLUMN epoch bigint NOT NULL DEFAULT 0,
    ADD COLUMN writer text NOT NULL DEFAULT '',
    ADD COLUMN taken_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN sequence bigint NOT NULL DEFAULT 0,
    ADD COLUMN hash bytea NOT NULL DEFAULT '';
COMMENT ON COLUMN stage_state.epoch IS 'Grows with every start; a step of an earlier epoch is not stored.';
COMMENT ON COLUMN stage_state.sequence IS 'Of the newest record in event_log, whose hash stands beside it.';
INSERT INTO stage_state (state, stored_at) VALUES (NULL, now()) ON CONFLICT DO NOTHING;

CREATE TABLE event_log (
    sequence bigint PRIMARY KEY,
    stored_ns bigint NOT NULL,
    msg_id text NOT NULL,
    subject text NOT NULL,
    payload bytea NOT NULL,
    headers text NOT NULL,
    hash bytea NOT NULL
);

-- What the old outbox still has becomes the beginning of the log. The same arithmetic as n1v1_common/storage/chain.py.
DO $$
DECLARE
    waiting record;
    head bytea := '';
    number bigint := 0;
    now_ns bigint := (extract(epoch FROM now()) * 1000000)::bigint * 1000;
BEGIN
    FOR waiting IN SELECT * FROM outbox ORDER BY id LOOP
        number := number + 1;
        head := sha256(head || convert_to(
            number || E'\x1f' || now_ns || E'\x1f' || waiting.msg_id || E'\x1f' || waiting.subject || E'\x1f'
            || waiting.headers || E'\x1f', 'UTF8') || waiting.payload);
        INSERT INTO event_log VALUES
            (number, now_ns, waiting.msg_id, waiting.subject, waiting.payload, waiting.headers, head);
    END LOOP;
    UPDATE stage_state SET sequence = number, hash = head;
END $$;

ALTER TABLE outbox RENAME TO old_outbox;
ALTER TABLE old_outbox RENAME CONSTRAINT outbox_pkey TO old_outbox_pkey;
ALTER TABLE old_outbox RENAME CONSTRAINT outbox_msg_id_key TO old_outbox_msg_id_key;
DROP INDEX outbox_unsent, outbox_age;
CREATE TABLE outbox (
    sequence bigint PRIMARY KEY,
    msg_id text NOT NULL UNIQUE,
    stream text,
    sent_seq bigint,
    sent_at timestamptz
);
COMMENT ON TABLE outbox IS 'Records of event_log that wait to be sent, and those sent a while ago.';
INSERT INTO outbox
    SELECT event_log.sequence, msg_id, stream, sent_seq, sent_at FROM old_outbox JOIN event_log USING (msg_id);
DROP TABLE old_outbox;
CREATE INDEX outbox_unsent ON outbox (sequence) WHERE sent_at IS NULL;
CREATE INDEX outbox_age ON outbox (sent_at);

CREATE FUNCTION refuse_change_of_the_log() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN RAISE EXCEPTION ''the event log is append-only''; END';
CREATE TRIGGER event_log_is_append_only BEFORE UPDATE OR DELETE ON event_log
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_the_log();
CREATE TRIGGER event_log_is_not_emptied BEFORE TRUNCATE ON event_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_the_log();

-- migrate:down
ALTER TABLE outbox RENAME TO new_outbox;
ALTER TABLE new_outbox RENAME CONSTRAINT outbox_pkey TO new_outbox_pkey;
ALTER TABLE new_outbox RENAME CONSTRAINT outbox_msg_id_key TO new_outbox_msg_id_key;
DROP INDEX outbox_unsent, outbox_age;
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    msg_id text NOT NULL UNIQUE,
    subject text NOT NULL,
    payload bytea NOT NULL,
    headers text NOT NULL,
    stream text,
    sent_seq bigint,
    sent_at timestamptz
);
CREATE INDEX outbox_unsent ON outbox (id) WHERE sent_at IS NULL;
CREATE INDEX outbox_age ON outbox (sent_at);
INSERT INTO outbox (msg_id, subject, payload, headers, stream, sent_seq, sent_at)
    SELECT event_log.msg_id, subject, payload, headers, stream, sent_seq, sent_at
    FROM new_outbox JOIN event_log USING (sequence) ORDER BY sequence;
DROP TABLE new_outbox;
DROP TABLE event_log;
DROP FUNCTION refuse_change_of_the_log();
DELETE FROM stage_state WHERE state IS NULL;
ALTER TABLE stage_state
    ALTER COLUMN state SET NOT NULL,
    DROP COLUMN epoch,
    DROP COLUMN writer,
    DROP COLUMN taken_at,
    DROP COLUMN sequence,
    DROP COLUMN hash;
