-- The schema sofetch_vault: the values behind the tokens, sealed so that whoever writes them cannot read them.
-- Nothing here is in the clear: a subject is a token, a value is ciphertext, its key is wrapped to a public key.

-- wrapped is the data key of one subject in one batch, for the holder of the recovery key only. Whose rows here are
-- gone, those values are gone, in every copy of the table that is younger.
CREATE TABLE sofetch_vault.subject_key (
    key_id uuid PRIMARY KEY,
    subject text NOT NULL,
    wrapped bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX subject_key_subject ON sofetch_vault.subject_key (subject);

-- token is what the table holds now and what a value is looked up by; a rotation renews it. origin is the token under
-- the first key of the chain, which no rotation changes: it makes a value the same value, and the seal is bound to it.
CREATE TABLE sofetch_vault.value (
    subject text NOT NULL,
    domain text NOT NULL,
    origin text NOT NULL,
    token text NOT NULL,
    key_id uuid NOT NULL,
    sealed bytea NOT NULL,
    first_seen timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (subject, domain, origin)
);
CREATE INDEX value_token ON sofetch_vault.value (token);

-- The one way in. SECURITY DEFINER: who writes needs no privilege on the tables, so it can neither read nor change what
-- is there. Keys whose values are all known already are not kept. Returns how many values are new. The caller sorts
-- values by (subject, domain, origin); ORDINALITY keeps that order, or two writers would wait for each other for ever.
CREATE FUNCTION sofetch_vault.store(
    key_ids uuid[], key_subjects text[], wrapped_keys bytea[],
    subjects text[], domains text[], origins text[], tokens text[], value_key_ids uuid[], sealed_values bytea[]
) RETURNS integer
    LANGUAGE sql SECURITY DEFINER STRICT
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH new_value AS (
        INSERT INTO sofetch_vault.value (subject, domain, origin, token, key_id, sealed)
        SELECT v.subject, v.domain, v.origin, v.token, v.key_id, v.sealed
        FROM unnest(subjects, domains, origins, tokens, value_key_ids, sealed_values)
            WITH ORDINALITY AS v (subject, domain, origin, token, key_id, sealed, position)
        ORDER BY v.position
        ON CONFLICT DO NOTHING
        RETURNING key_id
    ), new_key AS (
        INSERT INTO sofetch_vault.subject_key (key_id, subject, wrapped)
        SELECT k.key_id, k.subject, k.wrapped
        FROM unnest(key_ids, key_subjects, wrapped_keys) AS k (key_id, subject, wrapped)
        WHERE k.key_id IN (SELECT n.key_id FROM new_value AS n)
    )
    SELECT count(*)::integer FROM new_value
$$;

REVOKE ALL ON FUNCTION sofetch_vault.store(uuid[], text[], bytea[], text[], text[], text[], text[], uuid[], bytea[])
FROM PUBLIC;
