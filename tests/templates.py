"""CloudFormation templates as Python sees them: the short forms (`!Ref`, `!GetAtt`) as the long ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    pass


def _long_form(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        return {name: value.split(".", 1) if suffix == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _long_form)


def read_template(file: Path) -> dict[str, Any]:
    """The template, as a tree of dictionaries, lists and scalars."""
    template: dict[str, Any] = yaml.load(file.read_text(encoding="utf-8"), Loader=_Loader)
    return template


def resources(template: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """The properties of each resource of a type, by its name."""
    return {
        name: resource.get("Properties", {})
        for name, resource in template["Resources"].items()
        if resource["Type"] == kind
    }


def walk(tree: Any) -> Iterator[dict[str, Any]]:
    """Every dictionary in a tree, the tree itself first."""
    if isinstance(tree, dict):
        yield tree
        for value in tree.values():
            yield from walk(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from walk(value)


def listed(value: Any) -> list[Any]:
    """What may be one or a list of them, as a list."""
    return value if isinstance(value, list) else [value]
