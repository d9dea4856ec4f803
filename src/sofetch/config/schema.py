"""The settings as data: every section and key with its type, limits, default, variable and description.

Owns what is read out of the types in ``sofetch.settings``; the checks, the environment, the JSON Schema and the
documentation all stand on it, so that none of them can disagree with the types.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal, assert_never, get_args, get_origin

import msgspec
from msgspec import Struct, inspect

from sofetch.settings import ColumnSettings, Settings

COLUMN = "column"
DSN_VARIABLES = frozenset({"SOFETCH_SINK_DSN", "SOFETCH_VAULT_DSN"})


class SettingDoc(Struct, frozen=True, kw_only=True):
    """One setting as users see it. ``default`` is TOML text, ``""`` where there is none; ``env`` names its variable."""

    section: str
    key: str
    env: str
    type: str
    default: str
    description: str
    required: bool


class Key(Struct, frozen=True, kw_only=True):
    """One key of a section: how it is converted and described. ``annotation`` is the type that msgspec converts to."""

    section: str
    name: str
    annotation: Any
    type: inspect.Type
    required: bool
    default: object
    description: str

    @property
    def variable(self) -> str:
        """The environment variable that overrides it; for a column's key the part after the column's name."""
        return f"SOFETCH_{self.section}_{self.name}".upper()

    @property
    def expects(self) -> str:
        """What the key takes, as a phrase: ``an integer, 1 to 64``."""
        return describe_type(self.type)


@cache
def sections() -> dict[str, dict[str, Key]]:
    """Every section by name, ``column`` included, and its keys by the name they have in the file."""
    return {name: _keys(name, struct) for name, struct in _tables().items()}


def describe_settings() -> list[SettingDoc]:
    """Every setting, in the order of the file, with its environment variable, type, default and description."""
    return [_document(key) for keys in sections().values() for key in keys.values()]


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of ``sofetch.toml``, for editors that complete and check it."""
    schema = msgspec.json.schema(Settings)
    known = schema["$defs"]
    own, shared = _of_several(known)
    forms = [{"$ref": schema["$ref"]}, {"$ref": "#/$defs/SeveralPipelines"}]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "sofetch.toml",
        "anyOf": forms,
        "$defs": {**known, "OnePipeline": own, "SeveralPipelines": shared},
    }


def _of_several(known: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """One pipeline of several, and the file that holds them: what one of the two says, the other need not."""
    whole = known["Settings"]["properties"]
    parts = {name: _without_required(part, known) for name, part in whole.items() if name != "pipeline"}
    own = {name: part for name, part in parts.items() if name not in {"http", "log"}}
    pipelines = {"type": "object", "minProperties": 1, "additionalProperties": {"$ref": "#/$defs/OnePipeline"}}
    return (
        {"title": "OnePipeline", "type": "object", "properties": own, "additionalProperties": False},
        {
            "title": "SeveralPipelines",
            "type": "object",
            "properties": {**parts, "pipelines": pipelines},
            "required": ["pipelines"],
            "additionalProperties": False,
        },
    )


def _without_required(part: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    reference = part.get("$ref") or next((one["$ref"] for one in part.get("anyOf", ()) if "$ref" in one), None)
    if reference is None:
        return part
    section = known[reference.rpartition("/")[2]]
    return {key: value for key, value in section.items() if key != "required"}


def describe_type(kind: inspect.Type) -> str:  # noqa: C901, PLR0911  # one for each type
    """What a type takes, in words, limits included."""
    match kind:
        case inspect.Metadata(inspect.StrType(pattern=str()), extra_json_schema={"title": form}):
            return f"text: {form}"
        case inspect.Metadata():
            return describe_type(kind.type)
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return "an integer" + _limits(kind)
        case inspect.FloatType():
            return "a number" + _limits(kind)
        case inspect.StrType():
            return _describe_text(kind)
        case inspect.LiteralType():
            return "one of " + ", ".join(f'"{value}"' for value in _in_file_order(kind))
        case inspect.ListType():
            return "a list, each " + describe_type(kind.item_type)
        case inspect.StructType():
            return "a table with " + _in_words([f"`{item.encode_name}`" for item in kind.fields])
        case inspect.UnionType():
            return " or ".join(describe_type(part) for part in kind.types if not isinstance(part, inspect.NoneType))
        case _:
            raise TypeError(f"settings have no such type: {type(kind).__name__}")


def _in_words(names: list[str]) -> str:
    return " and ".join([*([", ".join(names[:-1])] if names[1:] else []), names[-1]])


def choices(kind: inspect.Type) -> tuple[str, ...]:
    """The words a type allows, where it allows only some."""
    match kind:
        case inspect.Metadata():
            return choices(kind.type)
        case inspect.UnionType():
            return tuple(choice for part in kind.types for choice in choices(part))
        case inspect.LiteralType():
            return tuple(str(value) for value in _in_file_order(kind))
        case _:
            return ()


def _tables() -> dict[str, type[Struct]]:
    return {field.encode_name: _struct_of(field.type) for field in msgspec.structs.fields(Settings)}


def _keys(section: str, struct: type[Struct]) -> dict[str, Key]:
    infos = msgspec.structs.fields(struct)
    types = inspect.multi_type_info([info.type for info in infos])
    return {info.encode_name: _key(section, info, kind) for info, kind in zip(infos, types, strict=True)}


def _key(section: str, info: msgspec.structs.FieldInfo, kind: inspect.Type) -> Key:
    extra = kind.extra_json_schema if isinstance(kind, inspect.Metadata) else None
    return Key(
        section=section,
        name=info.encode_name,
        annotation=info.type,
        type=kind,
        required=info.required,
        default=_default(info),
        description=str((extra or {}).get("description", "")),
    )


def _default(info: msgspec.structs.FieldInfo) -> object:
    if info.default is not msgspec.NODEFAULT:
        return info.default
    return None if info.default_factory is msgspec.NODEFAULT else info.default_factory()


def _struct_of(annotation: Any) -> type[Struct]:
    """The settings struct of a section, which for ``column`` is the item of its list."""
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        return annotation
    return ColumnSettings


def _document(key: Key) -> SettingDoc:
    is_column = key.section == COLUMN
    return SettingDoc(
        section=f"[[{COLUMN}]]" if is_column else f"[{key.section}]",
        key=key.name,
        env=f"SOFETCH_COLUMN_<NAME>_{key.name.upper()}" if is_column else key.variable,
        type=key.expects,
        default=_as_toml(key.default),
        description=key.description,
        required=key.required,
    )


def _as_toml(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{value}"'
        case _:
            return str(value)


def _describe_text(kind: inspect.StrType) -> str:
    if kind.pattern is not None:
        raise TypeError("a setting that has a pattern says in its title what that asks for")
    if kind.max_length is not None:
        return f"text of {kind.min_length or 0} to {kind.max_length} characters"
    return "text that is not empty" if kind.min_length else "text"


def _limits(kind: inspect.IntType | inspect.FloatType) -> str:
    match kind.ge, kind.le:
        case None, None:
            return ""
        case low, None:
            return f" of at least {low:,}"
        case None, high:
            return f" of at most {high:,}"
        case low, high:
            return f" from {low:,} to {high:,}"
        case never:
            assert_never(never)


def _in_file_order(kind: inspect.LiteralType) -> tuple[Any, ...]:
    """Msgspec sorts the words of a Literal; users read them in the order in which the settings name them."""
    return _literals().get(frozenset(kind.values), kind.values)


@cache
def _literals() -> dict[frozenset[Any], tuple[Any, ...]]:
    annotations = [info.type for table in _tables().values() for info in msgspec.structs.fields(table)]
    return {frozenset(words): words for annotation in annotations for words in _words(annotation)}


def _words(annotation: Any) -> list[tuple[Any, ...]]:
    parts = get_args(annotation)
    if get_origin(annotation) is Literal:
        return [parts]
    return [words for part in parts for words in _words(part)]
