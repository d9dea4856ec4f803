"""The partitions of the target table and of the ledger: planned, looked up, kept, and judged."""
