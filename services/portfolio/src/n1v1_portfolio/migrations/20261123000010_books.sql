-- The ledger is append-only; positions and equity follow from it and can be rebuilt.

-- migrate:up
CREATE TABLE ledger (
    transaction_id text NOT NULL,
    entry integer NOT NULL,
    ts_ns bigint NOT NULL,
    account text NOT NULL,
    asset text NOT NULL,
    amount numeric NOT NULL,
    PRIMARY KEY (transaction_id, entry)
);

CREATE TABLE positions (
    account text NOT NULL,
    symbol text NOT NULL,
    quantity numeric NOT NULL,
    cost numeric NOT NULL,
    realised numeric NOT NULL,
    fees numeric NOT NULL,
    ts_ns bigint NOT NULL,
    PRIMARY KEY (account, symbol)
);

CREATE TABLE equity (
    account text NOT NULL,
    ts_ns bigint NOT NULL,
    cash numeric NOT NULL,
    equity numeric NOT NULL,
    peak numeric NOT NULL,
    fees numeric NOT NULL,
    PRIMARY KEY (account, ts_ns)
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN RAISE EXCEPTION ''the ledger is append-only''; END';
CREATE TRIGGER ledger_is_append_only BEFORE UPDATE OR DELETE ON ledger
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- migrate:down
DROP TABLE equity;
DROP TABLE positions;
DROP TABLE ledger;
DROP FUNCTION refuse_change();
