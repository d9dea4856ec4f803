-- What the checks are asked against. message_bits are the first 80 bits of a message id, as in the ledger's keys.
DROP SCHEMA IF EXISTS oracle CASCADE;
CREATE SCHEMA oracle;
CREATE UNLOGGED TABLE oracle.expected (
    number integer,
    message_bits bytea,
    user_id text,
    device_type text,
    masked_ip text,
    masked_device_id text,
    locale text,
    app_version text,
    reason text
);
