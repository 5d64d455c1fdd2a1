"""YAML: numbers as people write them, keys once, no bombs."""

import re
from itertools import pairwise
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from diffbench.conventions import DiffbenchError
from diffbench.study.yaml_loader import MOST_VALUES, as_written, load_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("8e1", 80.0),
        ("1E+2", 100.0),
        ("-1.", -1.0),
        (".5", 0.5),
        ("1_000", 1000),
        ("010", 10),
        ("08", 8),
        ("+3", 3),
        ("1:30", "1:30"),
        ("2024-05-01", "2024-05-01"),
        ("0x10", "0x10"),
        ("1e", "1e"),
        ("yes", True),
        ("off", False),
        ("~", None),
        ("'1e-3'", "1e-3"),
        ("étude", "étude"),
    ],
)
def test_scalars_are_what_people_mean(text: str, value: Any) -> None:
    read = load_yaml(f"key: {text}", "study.yaml")["key"]
    assert read == value
    assert type(read) is type(value)


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**9), 10**9))
def test_numbers_as_python_prints_them_are_read_as_they_are(number: float) -> None:
    assert load_yaml(f"[{number!r}]", "study.yaml") == [number]


WORDS = st.text().filter(lambda text: not re.fullmatch(r"[-+0-9._eE]+", text))
"""Text that PyYAML's own rules and those of YAML 1.2 both take for text: PyYAML writes 1e5 without quotes."""


@given(
    st.recursive(
        st.booleans() | st.integers() | WORDS,
        lambda part: st.lists(part) | st.dictionaries(st.text(), part),
    )
)
def test_what_pyyaml_writes_is_read_back(value: Any) -> None:
    assert load_yaml(yaml.safe_dump(value), "study.yaml") == value


def test_keys_are_text_as_written() -> None:
    assert load_yaml("{1.10: a, on: b, 1: c}", "study.yaml") == {"1.10": "a", "on": "b", "1": "c"}


@pytest.mark.parametrize("text", ["a: 1\nb: 2\na: 3", "{a: 1, b: 2, a: 3}", "x:\n  - {b: 1}\n  - a: 1\n    a: 2"])
def test_a_key_that_stands_twice_is_an_error(text: str) -> None:
    with pytest.raises(DiffbenchError, match=r"^study\.yaml: not valid YAML: key 'a' stands twice, in lines"):
        load_yaml(text, "study.yaml")


def test_merged_keys_give_way_to_the_mapping_s_own() -> None:
    text = "base: &base {batch: 8, dropout: 0.5}\ntraining: {<<: *base, dropout: 0.1}\nagain: *base"
    value = load_yaml(text, "study.yaml")
    assert value["training"] == {"batch": 8, "dropout": 0.1}
    assert value["again"] == {"batch": 8, "dropout": 0.5}


def test_aliases_can_neither_repeat_without_bound_nor_hold_themselves() -> None:
    letters = "abcdefghij"
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in pairwise(letters)
    )
    with pytest.raises(DiffbenchError, match=f"more than {MOST_VALUES} values"):
        load_yaml(bomb, "study.yaml")
    with pytest.raises(DiffbenchError, match="line 1: holds itself"):
        load_yaml("a: &a [1, *a]", "study.yaml")
    with pytest.raises(DiffbenchError, match="not valid YAML"):
        load_yaml("[" * 5000, "study.yaml")


def test_encodings() -> None:
    assert load_yaml("name: é".encode(), "study.yaml") == {"name": "é"}
    assert load_yaml(b"\xef\xbb\xbfname: x", "study.yaml") == {"name": "x"}
    assert load_yaml("name: é".encode("utf-16"), "study.yaml") == {"name": "é"}
    with pytest.raises(DiffbenchError, match=r"study\.yaml: not valid YAML: unacceptable character"):
        load_yaml("name: é".encode("latin-1"), "study.yaml")


def test_no_code_is_run() -> None:
    with pytest.raises(DiffbenchError, match="could not determine a constructor"):
        load_yaml("x: !!python/object/apply:os.system ['echo hi']", "study.yaml")


def test_values_of_the_command_line_are_read_like_those_of_a_file() -> None:
    given = {"seeds": ["0", "1"], "training": {"learning_rate": "1e-3"}, "name": "mine", "threads": 2, "lab": ""}
    expected = {"seeds": [0, 1], "training": {"learning_rate": 1e-3}, "name": "mine", "threads": 2, "lab": ""}
    assert as_written(given) == expected
