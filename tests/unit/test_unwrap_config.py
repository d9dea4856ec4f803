"""[unwrap] in a configuration: orders of layers that cannot work are found, with their place and what to do."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import get_args

import pytest

from sofetch.config import lint_text, load_config
from sofetch.decode.unwrap import compile_layers
from sofetch.findings import Finding
from sofetch.settings import UnwrapLayer, UnwrapSettings


def lint(unwrap: str) -> list[Finding]:
    return lint_text(
        f'[source]\nqueue = "q"\n[sink]\ntable = "t"\n[[column]]\nname = "item"\n[unwrap]\n{unwrap}\n', file="s.toml"
    )


@pytest.mark.parametrize(
    "unwrap",
    [
        "layers = []",
        'layers = ["sns"]',
        'layers = ["eventbridge"]',
        'layers = ["sns", "base64", "gzip", "eventbridge"]',
        'layers = ["sns", "s3_pointer", "gzip"]\ns3_buckets = ["logs", "my.bucket-2"]',
        'layers = ["eventbridge", "s3_objects"]\ns3_buckets = ["logs"]\ns3_endpoint = "http://127.0.0.1:9000"',
    ],
)
def test_layers_that_work_have_no_finding(unwrap: str) -> None:
    assert lint(unwrap) == []


@pytest.mark.parametrize(
    ("unwrap", "code", "words"),
    [
        ('layers = ["gzip"]', "bad_unwrap", "can only follow"),
        ('layers = ["sns", "gzip"]', "bad_unwrap", "can only follow"),
        ('layers = ["base64", "sns", "base64"]', "bad_unwrap", "twice"),
        ('layers = ["s3_objects", "gzip"]\ns3_buckets = ["logs"]', "bad_unwrap", "not the last"),
        ('layers = ["s3_pointer", "s3_objects"]\ns3_buckets = ["logs"]', "bad_unwrap", "both"),
        ('layers = ["s3_pointer"]', "bad_unwrap", "no bucket"),
        ('layers = ["s3_objects"]\ns3_buckets = []', "bad_unwrap", "no bucket"),
        ('layers = ["sns"]\ns3_buckets = ["logs"]', "unwrap_unused", "does nothing"),
        ('s3_region = "eu-central-1"', "unwrap_unused", "does nothing"),
        ('layers = ["zip"]', "wrong_value", "takes a list"),
        ('layers = "sns"', "wrong_value", "takes a list"),
        ('layers = ["s3_objects"]\ns3_buckets = ["s3://logs/x"]', "wrong_value", "s3_buckets"),
        ('layers = ["s3_objects"]\ns3_buckets = ["logs"]\ns3_endpoint = "127.0.0.1"', "bad_url", "s3_endpoint"),
        ("max_unwrapped_bytes = 0", "wrong_value", "max_unwrapped_bytes"),
    ],
)
def test_what_cannot_work_is_found_with_its_line_and_what_to_do(unwrap: str, code: str, words: str) -> None:
    found = lint(unwrap)
    assert code in {finding.code for finding in found}
    finding = next(finding for finding in found if finding.code == code)
    assert words in finding.what
    assert finding.hint or code == "wrong_value"
    assert finding.where.startswith("s.toml:")


def test_every_order_without_a_finding_is_one_that_can_be_put_together() -> None:
    for length in range(4):
        for layers in itertools.permutations(get_args(UnwrapLayer), length):
            if not lint(f"layers = {list(layers)!r}\ns3_buckets = ['logs']"):
                pure = [layer for layer in layers if not layer.startswith("s3_")]
                compile_layers(pure, UnwrapSettings(layers=list(layers)))


def test_layers_and_buckets_come_from_variables_too(tmp_path: Path) -> None:
    environ = {
        "SOFETCH_UNWRAP_LAYERS": "sns, s3_pointer",
        "SOFETCH_UNWRAP_S3_BUCKETS": "logs",
        "SOFETCH_SOURCE_QUEUE": "q",
    }
    file = tmp_path / "sofetch.toml"
    file.write_text('[source]\nqueue = "q"\n[sink]\ntable = "t"\n[[column]]\nname = "item"\n')
    unwrap = load_config(file, environ=environ).unwrap
    assert (unwrap.layers, unwrap.s3_buckets) == (["sns", "s3_pointer"], ["logs"])
