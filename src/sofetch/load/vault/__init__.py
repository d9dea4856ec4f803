"""The vault in Postgres: sealed values beside the tokens, usually in a database of their own."""
