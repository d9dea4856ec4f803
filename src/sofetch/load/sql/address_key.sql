-- The key that a domain's addresses are under.
SELECT kid FROM sofetch.key_fingerprint WHERE scheme = %(scheme)s AND domain = %(domain)s
