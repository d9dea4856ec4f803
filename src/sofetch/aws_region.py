"""The region where no setting names one: from ``AWS_REGION`` too, which boto alone of AWS's tools does not read.

Owns that one rule for every session of botocore's in the program. Must not import botocore: sessions are given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import botocore.session

_VARIABLES: Final = ["AWS_REGION", "AWS_DEFAULT_REGION"]
"""In the order of the command line of AWS."""


def regional(session: botocore.session.Session) -> botocore.session.Session:
    """The session, which now takes its region from the environment's variables, else from the profile."""
    session.session_var_map["region"] = ("region", _VARIABLES, None, None)
    return session
