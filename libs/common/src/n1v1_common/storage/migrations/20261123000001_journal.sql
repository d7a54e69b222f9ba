-- What every stage with a database has, in its own schema: messages handled, messages to send, its state.

-- migrate:up
CREATE TABLE inbox (
    msg_id text PRIMARY KEY,
    handled_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX inbox_age ON inbox (handled_at);

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

CREATE TABLE stage_state (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    state bytea NOT NULL,
    stored_at timestamptz NOT NULL
);

-- How far each stream has been handled. created_ns tells a stream from one that was made anew under its name.
CREATE TABLE cursors (
    stream text PRIMARY KEY,
    seq bigint NOT NULL,
    created_ns bigint NOT NULL
);

-- migrate:down
DROP TABLE cursors;
DROP TABLE stage_state;
DROP TABLE outbox;
DROP TABLE inbox;
