"""The fault campaign: real servers behind proxies that break calls, workers that are killed, and an oracle that counts.

Owns everything that is done *to* the program. It must not import the program's own way of the data: what it expects,
it works out by itself.
"""
