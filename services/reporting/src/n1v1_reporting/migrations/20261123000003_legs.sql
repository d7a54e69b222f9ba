-- Orders that protect a position are orders as well: what each is for, and whose position it protects.

-- migrate:up
ALTER TABLE orders
    ADD COLUMN purpose text NOT NULL DEFAULT 'ENTRY',
    ADD COLUMN entry_id text,
    ADD COLUMN stop_ticks bigint,
    ADD COLUMN trail_ppb bigint;
COMMENT ON COLUMN orders.entry_id IS 'Of a leg: the order whose position it protects.';
CREATE INDEX orders_legs ON orders (account, symbol) WHERE entry_id IS NOT NULL;

-- migrate:down
DROP INDEX orders_legs;
ALTER TABLE orders
    DROP COLUMN purpose,
    DROP COLUMN entry_id,
    DROP COLUMN stop_ticks,
    DROP COLUMN trail_ppb;
