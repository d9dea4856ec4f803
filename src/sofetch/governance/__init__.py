"""Governance: the rules under which personal data is shown again, erased, and accounted for.

Owns the audit chain, recovery and its approvals, and erasure, as rules: what is asked, what must be written before
what, and what is told afterwards. It must not do I/O: databases, keys and the clock are handed in.
"""
