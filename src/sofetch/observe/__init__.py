"""What tells and shows how a worker does: log lines, health, probes and metrics, the pages that show them, traces.

It hears the events (``sofetch.events``) and looks at what it is given; it must not know what the events are about.
Importing this package imports nothing of it: a function on Lambda takes ``log`` and no more.
"""
