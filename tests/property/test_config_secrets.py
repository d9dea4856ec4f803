"""No finding repeats what it was about, whatever it was and wherever it stood."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sofetch.config import describe_settings, lint_text, load_text
from sofetch.errors import ConfigError

CANARY = "zq7xcanary"
TEXT = '[source]\nqueue = "q"\n[sink]\ntable = "t"\n[[column]]\nname = "a"\nmask = "token"\n'
NAMES = {"name", "dedupe", "subject"}  # a finding has to say which column it is about

variables = st.sampled_from(
    [doc.env.replace("<NAME>", "A") for doc in describe_settings() if doc.key not in NAMES] + ["SOFETCH_SINK_DSN"]
)
texts = st.tuples(
    st.text(max_size=8), st.sampled_from(["", "postgresql://u:", "http://u:", "a.", "["]), st.text(max_size=8)
).map(lambda parts: "".join((parts[0], parts[1], CANARY, parts[2], "@h")))


@given(st.dictionaries(variables, texts, min_size=1, max_size=3))
def test_no_finding_repeats_the_value_of_a_variable(environ: dict[str, str]) -> None:
    assert CANARY not in repr(lint_text(TEXT, environ=environ))


@given(texts)
def test_no_finding_repeats_the_dsn_of_the_file(dsn: str) -> None:
    text = TEXT.replace("[[column]]", f"dsn = {json.dumps(dsn)}\nunknown = 1\n[[column]]", 1)
    with pytest.raises(ConfigError) as caught:
        load_text(text)
    assert CANARY not in str(caught.value)
    assert CANARY not in repr(caught.value)
