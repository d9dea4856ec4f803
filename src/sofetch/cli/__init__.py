"""The command line: one module a command group, a thin shell round the library.

Owns what people type and read. It must not decode, mask or load by itself, and importing it must stay cheap: boto3,
psycopg and cryptography are imported by the commands that need them, when they run.
"""

from __future__ import annotations

from typing import NoReturn


def main() -> NoReturn:
    """Run the command line and exit: the ``sofetch`` script and ``python -m sofetch``."""
    from sofetch.cli.closed import stand_in_for_closed_streams
    from sofetch.cli.failure import hide_data_in_tracebacks, hide_words_of_libraries
    from sofetch.cli.root import root
    from sofetch.cores import leave_no_core

    leave_no_core()  # what a command has in hand: a recovered value, a subject, a key
    stand_in_for_closed_streams()
    hide_data_in_tracebacks()
    hide_words_of_libraries()
    root.main(prog_name="sofetch")
