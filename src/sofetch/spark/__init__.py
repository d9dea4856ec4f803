"""Spark: archived events through the worker's own steps, into the worker's own table or into Parquet.

``reading`` to ``lake`` are plain Python and know nothing of Spark; only ``job`` imports it, and only ``arrow`` pyarrow.
"""
