"""What is said about the settings: in the documentation, in the JSON Schema, and by the types."""

from __future__ import annotations

import json
import tomllib
import typing
from typing import Any

import msgspec
import pytest

from sofetch import settings
from sofetch.config import describe_settings, json_schema, load_text, preset
from sofetch.config.environment import column_variable

STRUCTS = [
    value
    for value in vars(settings).values()
    if isinstance(value, type) and issubclass(value, msgspec.Struct) and value is not msgspec.Struct
]


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_every_field_of_every_settings_struct_is_described(struct: type[msgspec.Struct]) -> None:
    assert struct.__doc__
    if struct is not settings.Settings:  # its fields are the sections, which their own docstrings describe
        assert {info.name: _description(info.type)[-1:] for info in msgspec.structs.fields(struct)} == {
            info.name: "." for info in msgspec.structs.fields(struct)
        }


def test_every_section_is_described_by_a_struct_and_every_key_is_listed() -> None:
    listed = [(doc.section.strip("[]"), doc.key) for doc in describe_settings()]
    expected = [
        (section.encode_name, info.encode_name)
        for section in msgspec.structs.fields(settings.Settings)
        for info in msgspec.structs.fields(_struct(section.type))
    ]
    assert listed == expected
    assert len(set(listed)) == len(listed)


def test_every_listed_setting_says_its_type_variable_and_description() -> None:
    for doc in describe_settings():
        assert doc.type, doc.key
        assert doc.env.startswith("SOFETCH_"), doc.key
        assert doc.description, doc.key
        assert "^" not in doc.type, f"{doc.key} shows a pattern"
        assert not (doc.required and doc.default), doc.key


def test_variables_are_unambiguous() -> None:
    variables = [doc.env for doc in describe_settings()]
    assert len(set(variables)) == len(variables)
    assert column_variable("user.ip-1", "max_length") == "SOFETCH_COLUMN_USER_IP_1_MAX_LENGTH"


def test_documented_defaults_are_the_ones_that_hold() -> None:
    """Each default is TOML text, and a file that says them all means what one that says none means."""
    text = preset("logins")
    defaults = [
        doc for doc in describe_settings() if doc.default and doc.section != "[[column]]" and doc.key != "dedupe"
    ]
    spoken = dict.fromkeys(dict.fromkeys(doc.section for doc in defaults), "")
    for doc in defaults:
        spoken[doc.section] += f"{doc.key} = {doc.default}\n"
    for section, lines in spoken.items():
        text = text.replace(section, f"{section}\n{lines}", 1) if section in text else f"{text}\n{section}\n{lines}"
    assert load_text(text) == load_text(preset("logins"))


def test_limits_and_choices_are_said_in_words() -> None:
    types = {(doc.section, doc.key): doc.type for doc in describe_settings()}
    assert types["[source]", "receivers"] == "an integer from 1 to 64"
    assert types["[log]", "level"] == 'one of "debug", "info", "warning", "error"'
    assert types["[sink]", "dedupe"] == 'one of "message", "content" or a list, each text'
    assert types["[[column]]", "required"] == "true or false"


def test_the_json_schema_covers_every_setting_and_allows_nothing_else() -> None:
    schema = json_schema()
    json.dumps(schema)
    definitions: dict[str, Any] = schema["$defs"]
    assert all(definition["additionalProperties"] is False for definition in definitions.values())
    keys = {key for definition in definitions.values() for key in definition["properties"]}
    assert keys >= {doc.key for doc in describe_settings()}
    assert tomllib.loads(preset("logins")).keys() <= definitions["Settings"]["properties"].keys()


def _struct(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return annotation
    [item] = [part for part in typing.get_args(typing.get_args(annotation)[0]) if issubclass(part, msgspec.Struct)]
    return item


def _description(annotation: Any) -> str:
    for extra in getattr(annotation, "__metadata__", ()):
        if isinstance(extra, msgspec.Meta) and extra.description:
            return extra.description
    return ""
