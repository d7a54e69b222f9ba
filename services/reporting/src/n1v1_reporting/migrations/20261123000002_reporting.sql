-- What reporting has heard, for reading. It can be dropped and rebuilt from the stream at any time.
-- Prices are ticks, quantities lots, money quanta of the quote currency, exactly as in the core; times are
-- nanoseconds UTC.

-- migrate:up
CREATE TABLE verdicts (
    bar_close_ns bigint NOT NULL,
    symbol text NOT NULL,
    instance text NOT NULL,
    signal_id text UNIQUE,
    action text NOT NULL DEFAULT '',
    strength double precision NOT NULL DEFAULT 0,
    reason text NOT NULL,
    looked_at jsonb NOT NULL DEFAULT '[]',
    PRIMARY KEY (symbol, bar_close_ns, instance)
);
COMMENT ON TABLE verdicts IS 'What each strategy said of each bar: a signal (signal_id is set), or nothing and why.';

CREATE TABLE decisions (
    signal_id text NOT NULL,
    account text NOT NULL,
    decided_ns bigint NOT NULL,
    verdict text NOT NULL,
    refusal text NOT NULL DEFAULT '',
    detail text NOT NULL DEFAULT '',
    order_id text NOT NULL DEFAULT '',
    checks jsonb NOT NULL,
    trace_id text NOT NULL DEFAULT '',
    PRIMARY KEY (signal_id, account)
);
COMMENT ON TABLE decisions IS 'What risk said of each signal.';

CREATE TABLE orders (
    order_id text PRIMARY KEY,
    signal_id text NOT NULL,
    account text NOT NULL,
    instance text NOT NULL,
    symbol text NOT NULL,
    side text NOT NULL,
    type text NOT NULL,
    lots bigint NOT NULL,
    limit_ticks bigint,
    reference_ticks bigint NOT NULL,
    decided_ns bigint NOT NULL,
    trace_id text NOT NULL DEFAULT ''
);
CREATE INDEX orders_newest ON orders (account, decided_ns DESC, order_id);

CREATE TABLE order_events (
    event_id text PRIMARY KEY,
    arrival bigint GENERATED ALWAYS AS IDENTITY,
    order_id text NOT NULL,
    ts_ns bigint NOT NULL,
    word text NOT NULL,
    detail text NOT NULL DEFAULT ''
);
CREATE INDEX order_events_of ON order_events (order_id);

CREATE TABLE fills (
    fill_id text PRIMARY KEY,
    order_id text NOT NULL,
    account text NOT NULL,
    symbol text NOT NULL,
    ts_ns bigint NOT NULL,
    trade_id text NOT NULL,
    side text NOT NULL,
    lots bigint NOT NULL,
    ticks bigint NOT NULL,
    value bigint NOT NULL,
    fee bigint NOT NULL,
    liquidity text NOT NULL
);
CREATE INDEX fills_of ON fills (order_id);

CREATE TABLE positions (
    account text NOT NULL,
    symbol text NOT NULL,
    ts_ns bigint NOT NULL,
    lots bigint NOT NULL,
    cost bigint NOT NULL,
    realised bigint NOT NULL,
    fees bigint NOT NULL,
    PRIMARY KEY (account, symbol)
);

CREATE TABLE equity (
    account text NOT NULL,
    ts_ns bigint NOT NULL,
    cash bigint NOT NULL,
    equity bigint NOT NULL,
    peak bigint NOT NULL,
    fees bigint NOT NULL,
    positions jsonb NOT NULL,
    PRIMARY KEY (account, ts_ns)
);

CREATE TABLE breakers (
    account text PRIMARY KEY,
    ts_ns bigint NOT NULL,
    is_open boolean NOT NULL,
    reason text NOT NULL,
    actor text NOT NULL
);

CREATE TABLE watermarks (
    account text PRIMARY KEY,
    settled_ns bigint NOT NULL
);
COMMENT ON TABLE watermarks IS 'The bar time up to which every order of an account has been answered.';

-- migrate:down
DROP TABLE watermarks;
DROP TABLE breakers;
DROP TABLE equity;
DROP TABLE positions;
DROP TABLE fills;
DROP TABLE order_events;
DROP TABLE orders;
DROP TABLE decisions;
DROP TABLE verdicts;
