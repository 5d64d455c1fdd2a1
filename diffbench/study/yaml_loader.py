"""YAML as people write it: PyYAML, without the traps of YAML 1.1 that turn what is meant into something else.

1e-3 is a number, 010 is ten, 1:30 and 2024-05-01 are text, keys are text as written, a key that stands twice is an
error, and aliases may not stand for more than a study can hold. yes, no, on and off are true and false, as in PyYAML.
"""

import re
from collections.abc import Mapping
from typing import Any

import yaml

from diffbench.conventions import DiffbenchError

MOST_VALUES = 100_000
"""Values of a study file, those that its aliases repeat included."""

INTEGER = re.compile(r"[-+]?[0-9][0-9_]*$")
REAL = re.compile(
    r"[-+]?(\.[0-9]+|[0-9][0-9_]*\.[0-9]*|[0-9][0-9_]*(?=[eE]))([eE][-+]?[0-9]+)?$|[-+]?\.(inf|Inf|INF)$|\.(nan|NaN|NAN)$"
)


class _Loader(yaml.SafeLoader):
    """Plain scalars as PyYAML resolves them, but dates stay text, and numbers are those of YAML 1.2."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (PyYAML's own attribute)
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":int", ":float", ":timestamp"))]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver("tag:yaml.org,2002:int", INTEGER, list("-+0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", REAL, list("-+.0123456789"))
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(str(node.value)))


def load_yaml(text: str | bytes, origin: str) -> Any:
    """The value of a YAML document; bytes are UTF-8, or UTF-16 with its mark. DiffbenchError names `origin`."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        if _size(node, {}, frozenset()) > MOST_VALUES:
            raise DiffbenchError(f"{origin}: holds more than {MOST_VALUES} values, repeated ones (aliases) included")
        return loader.construct_document(node)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise DiffbenchError(f"{origin}: not valid YAML: {' '.join(str(error).split())}") from None


def as_written(value: Any) -> Any:
    """A value of --config, in which Snakemake leaves all numbers of lists and mappings text, as YAML reads it."""
    if isinstance(value, Mapping):
        return {name: as_written(part) for name, part in value.items()}
    if isinstance(value, list):
        return [as_written(part) for part in value]
    return load_yaml(value, "--config") if isinstance(value, str) and value.strip() else value


def _size(node: yaml.Node, sizes: dict[int, int], within: frozenset[int]) -> int:
    """Values below a node, aliases counted each time. Keys become text; YAMLError for one that stands twice."""
    if not isinstance(node, yaml.CollectionNode):
        return 1
    if id(node) in within:
        raise yaml.YAMLError(f"line {node.start_mark.line + 1}: holds itself, by an alias")
    if id(node) not in sizes:
        if isinstance(node, yaml.MappingNode):
            _take_keys_as_text(node)
            parts = [value for _, value in node.value]
        else:
            parts = node.value
        sizes[id(node)] = 1 + sum(_size(part, sizes, within | {id(node)}) for part in parts)
    return sizes[id(node)]


def _take_keys_as_text(node: yaml.MappingNode) -> None:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.YAMLError(f"line {key.start_mark.line + 1}: a key must be text")
        line = key.start_mark.line + 1
        if key.value in lines:
            raise yaml.YAMLError(f"key '{key.value}' stands twice, in lines {lines[key.value]} and {line}")
        lines[key.value] = line
        if key.tag != "tag:yaml.org,2002:merge":
            key.tag = "tag:yaml.org,2002:str"
