"""The console: a web page beside the workers, for whoever is on call, answers for privacy, or analyses the table.

It reads: metrics of the workers, the database through ``sofetch.load``, the configuration. It must not hold a key, open
a body, or show a value in the clear. What changes something it only asks for, and a worker that holds the keys does it.
Everything here is imported when the console is started, and by nothing else.
"""
