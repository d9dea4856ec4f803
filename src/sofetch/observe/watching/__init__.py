"""Watching workers from what they count: a reading of their metrics each second, and the rates between readings.

Owns no socket, no screen and no clock: it is given texts in the exposition format, and the times they are of.
"""
