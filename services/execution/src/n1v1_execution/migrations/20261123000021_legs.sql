-- Orders that protect a position: what each order is for, and whose position it protects.

-- migrate:up
ALTER TABLE orders
    ADD COLUMN purpose text NOT NULL DEFAULT 'ENTRY',
    ADD COLUMN entry_id text,
    ADD COLUMN limit_price numeric,
    ADD COLUMN stop_price numeric,
    ADD COLUMN trail_ppb bigint;
COMMENT ON COLUMN orders.entry_id IS 'Of a leg: the order whose position it protects; both were sent as one list.';
COMMENT ON COLUMN orders.trail_ppb IS 'Distance of a trailing stop from the best price, in parts per billion of it.';
CREATE INDEX orders_legs ON orders (entry_id) WHERE entry_id IS NOT NULL;

-- migrate:down
DROP INDEX orders_legs;
ALTER TABLE orders
    DROP COLUMN purpose,
    DROP COLUMN entry_id,
    DROP COLUMN limit_price,
    DROP COLUMN stop_price,
    DROP COLUMN trail_ppb;
