-- The order in which the ledger was written: what a part of a position has cost depends on it.

-- migrate:up
ALTER TABLE ledger ADD COLUMN sequence bigint GENERATED ALWAYS AS IDENTITY;
CREATE UNIQUE INDEX ledger_order ON ledger (sequence);

-- migrate:down
ALTER TABLE ledger DROP COLUMN sequence;
