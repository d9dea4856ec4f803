CREATE SCHEMA IF NOT EXISTS sofetch;
CREATE TABLE sofetch.migration (
    number integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
