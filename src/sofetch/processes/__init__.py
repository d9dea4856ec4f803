"""Several workers, a process each, as one: supervised, heard, summed up and shown together.

Owns what is different where there is more than one process. Must not know what a worker does: it is a command that
relays its events.
"""
