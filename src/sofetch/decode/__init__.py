"""Decode: bytes → Record, or a Rejection with a reason. Pure: no I/O, no clock, no globals.

``compile_decoder(settings)`` turns the configured columns into a typed parser once; ``Decoder(messages)`` runs it. What
each type takes and what each body comes to is in ``convert.py`` and ``body.py``; the way from a path to the parser's
types is in ``shape.py``; what comes from the message round the body is in ``envelope.py``.
"""

from __future__ import annotations

from sofetch.decode.decoder import Decoder, compile_decoder

__all__ = ["Decoder", "compile_decoder"]
