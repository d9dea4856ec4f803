CREATE SCHEMA IF NOT EXISTS sofetch_vault;
CREATE TABLE sofetch_vault.migration (
    number integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
