"""Only ``sofetch.mask`` makes what a sink takes. Proved over the syntax tree of the whole product."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import sofetch

ROOT = Path(sofetch.__file__).parent
SEALED_TYPES = {"MaskedRecord", "SealedRejection", "VaultEntry", "VaultKey", "Vaulted"}


def test_what_a_sink_or_the_vault_takes_is_made_in_the_masker_only() -> None:
    outside = [path for path in ROOT.rglob("*.py") if not path.is_relative_to(ROOT / "mask")]
    assert len(outside) > 10
    makings = [f"{path.relative_to(ROOT)}:{line}" for path in outside for line in makings_in(path.read_text())]
    assert not makings


def test_the_masker_does_make_them() -> None:
    makings = {path.name for path in (ROOT / "mask").glob("*.py") if makings_in(path.read_text())}
    assert makings == {"policy.py", "seal.py", "vaulter.py", "vaulting.py"}


@pytest.mark.parametrize(
    "code",
    [
        "MaskedRecord('m', b'', ())",
        "record.SealedRejection(message_id='m')",
        "make = MaskedRecord",
        "from sofetch.record import MaskedRecord as Row",
        "msgspec.convert(raw, MaskedRecord)",
        "msgspec.convert(raw, type=list[MaskedRecord])",
        "map(MaskedRecord, ids)",
        "MaskedRecord.__new__(MaskedRecord)",
        "{'row': MaskedRecord}",
        "row = [MaskedRecord][0]('m', b'', ())",
        "row = made(MaskedRecord)[0]",
        "getattr(record, 'MaskedRecord')",
    ],
)
def test_every_way_round_the_masker_is_seen(code: str) -> None:
    assert makings_in(code)


@pytest.mark.parametrize(
    "code",
    [
        "from sofetch.record import MaskedRecord",
        "def load(records: Sequence[MaskedRecord]) -> list[SealedRejection]: ...",
        "rows: list[MaskedRecord] = []",
        "class MaskedRecord(Private): ...",
        "isinstance(row, MaskedRecord)",
        "match row:\n  case MaskedRecord(): ...",
        "Rows = Sequence[MaskedRecord]",
        "sorted(row for row in cast('list[MaskedRecord]', rows))",
    ],
)
def test_naming_the_types_is_not_making_them(code: str) -> None:
    assert not makings_in(code)


def makings_in(source: str) -> list[int]:
    """The lines on which a sealed type is used as a value: called, given away, bound to a name or aliased."""
    tree = ast.parse(source)
    harmless = {id(part) for node in ast.walk(tree) for allowed in _type_positions(node) for part in ast.walk(allowed)}
    return [line for node in ast.walk(tree) if id(node) not in harmless for line in _making(node)]


def _type_positions(node: ast.AST) -> list[ast.AST]:
    """The parts of a node in which a name is a type and makes nothing."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return [node.returns] if node.returns else []
        case ast.arg() | ast.AnnAssign():
            return [node.annotation] if node.annotation else []
        case ast.MatchClass():
            return [node.cls]
        case ast.Call(func=ast.Name(id="isinstance" | "cast")):
            return list(node.args)
        case ast.Assign(value=ast.Subscript() | ast.BinOp()) if not any(
            isinstance(part, ast.Call | ast.List) for part in ast.walk(node.value)
        ):  # a type alias
            return [node.value]
        case _:
            return []


def _making(node: ast.AST) -> list[int]:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name) if name in SEALED_TYPES:
            return [node.lineno]
        case ast.alias(name=name) if name in SEALED_TYPES and node.asname:
            return [node.lineno]
        case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.Constant(value=name)]) if name in SEALED_TYPES:
            return [node.lineno]
        case _:
            return []
