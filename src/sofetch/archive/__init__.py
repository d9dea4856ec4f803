"""The archive: every message as it came, sealed beside the load, and read again by who holds the private key.

Nothing of it is imported where [archive] is off. The format is docs/archive.md's; what is replayed from it is
``sofetch.backfill``'s. ``open_place``, ``hours`` and ``read_file`` (``archive.opening``, ``archive.reading``) are what
other parts of the program start from.
"""
