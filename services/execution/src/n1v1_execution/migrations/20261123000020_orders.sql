-- Orders and their executions, as the account's history. Open orders are also in the stage's state.

-- migrate:up
CREATE TABLE orders (
    order_id text PRIMARY KEY,
    signal_id text NOT NULL,
    account text NOT NULL,
    instance text NOT NULL,
    symbol text NOT NULL,
    side text NOT NULL,
    type text NOT NULL,
    quantity numeric NOT NULL,
    filled numeric NOT NULL,
    state text NOT NULL,
    client_order_id text NOT NULL,
    venue_order_id text,
    attempt integer NOT NULL,
    decided_ns bigint NOT NULL,
    valid_until_ns bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX orders_by_time ON orders (decided_ns);

CREATE TABLE fills (
    fill_id text PRIMARY KEY,
    order_id text NOT NULL REFERENCES orders (order_id),
    trade_id text NOT NULL,
    symbol text NOT NULL,
    side text NOT NULL,
    quantity numeric NOT NULL,
    price numeric NOT NULL,
    value numeric NOT NULL,
    fee numeric NOT NULL,
    liquidity text NOT NULL,
    ts_ns bigint NOT NULL
);
CREATE INDEX fills_by_order ON fills (order_id);

-- migrate:down
DROP TABLE fills;
DROP TABLE orders;
