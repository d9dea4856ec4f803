"""A small SQS server for benchmarks and fault campaigns: the queue model of ``sofetch.testing`` behind HTTP.

It keeps everything in memory, speaks AWS's JSON protocol only, checks no signature, and listens on loopback only.
"""
