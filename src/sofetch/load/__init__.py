"""Loading: masked rows, quarantine entries and the ledger of seen messages, into Postgres, in one transaction.

The only part of the project that knows psycopg. It takes ``MaskedRecord`` and ``SealedRejection`` and so never sees a
personal value; of the values it does see, none reaches an error text, a log line or, where that can be helped,
Postgres' own log.
"""
