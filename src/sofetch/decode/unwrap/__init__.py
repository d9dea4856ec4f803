"""Unwrap: taking off what is round the document in a body. Pure: no I/O; what S3 holds is fetched by others.

One module a layer, each from bytes to what was in them, or Unfit. ``compile_layers`` puts the configured ones together.
"""

from __future__ import annotations

from sofetch.decode.unwrap.inflate import inflated, is_gzip
from sofetch.decode.unwrap.layers import FETCHED, Peel, body_opener, compile_layers, inside, split_layers
from sofetch.decode.unwrap.lines import Line, TooLong, split_lines
from sofetch.decode.unwrap.s3_event import named_objects
from sofetch.decode.unwrap.s3_pointer import pointed_object

__all__ = [
    "FETCHED",
    "Line",
    "Peel",
    "TooLong",
    "body_opener",
    "compile_layers",
    "inflated",
    "inside",
    "is_gzip",
    "named_objects",
    "pointed_object",
    "split_layers",
    "split_lines",
]
