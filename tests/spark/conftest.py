"""Tests of the job on real Spark, in environments of their own (``make test-spark``). Elsewhere none are collected."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("pyspark") else ["test_*.py"]
