"""The strict reader: YAML 1.2 scalars only, and every refusal says where."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from nhictl.core.policy.yaml_events import MAX_BYTES, MAX_DEPTH, read_yaml
from nhictl.errors import InputError

SCALARS: list[tuple[str, Any]] = [
    # what YAML 1.1 readers turn into something else
    ("18:00", "18:00"), ("1:30:00", "1:30:00"), ("no", "no"), ("No", "No"), ("yes", "yes"), ("on", "on"), ("off", "off"),
    ("y", "y"), ("n", "n"), ("1_000", "1_000"), ("2026-12-31", "2026-12-31"), ("2026-12-31T10:00:00Z", "2026-12-31T10:00:00Z"),
    ("0b11_0", "AMBIGUOUS"), ("010", "AMBIGUOUS"), ("-010", "AMBIGUOUS"), ("0x1F", "AMBIGUOUS"), ("0o17", "AMBIGUOUS"),
    (".inf", "AMBIGUOUS"), ("-.inf", "AMBIGUOUS"), (".nan", "AMBIGUOUS"), ("=", "="), ("1e", "1e"), ("1.2.3", "1.2.3"),
    ("+", "+"), ("-", None), ("1,5", "1,5"), ("EUR", "EUR"), ("12 EUR", "12 EUR"),
    # what both agree on
    ("true", True), ("True", True), ("FALSE", False), ("null", None), ("~", None), ("", None), ("0", 0), ("-7", -7), ("+5", 5),
    ("1.5", Decimal("1.5")), ("1.0", 1), (".5", Decimal("0.5")), ("1e3", 1000), ("-0.10", Decimal("-0.1")),
    ("1E-2", Decimal("0.01")),
    ("0.1000000000000000055511151231257827", Decimal("0.1000000000000000055511151231257827")),
    ("'no'", "no"), ('"true"', "true"), ('"1"', "1"), ("'010'", "010"), ('"~"', "~"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), [pair for pair in SCALARS if pair[0] != "-"])
def test_scalar(text: str, wanted: Any) -> None:
    data = f"k: {text}\n".encode()
    if wanted == "AMBIGUOUS":
        with pytest.raises(InputError, match="ambiguous number") as caught:
            read_yaml("f.yaml", data)
        assert caught.value.details == {"file": "f.yaml", "line": 1, "column": 4}
        return
    value = read_yaml("f.yaml", data).data()["k"]
    assert value == wanted
    assert type(value) is type(wanted)


REFUSED: list[tuple[str, bytes, str, int, int]] = [
    ("duplicate key", b"a: 1\nb: 2\na: 3\n", "duplicate key `a`", 3, 1),
    ("duplicate key, quoted", b'a: 1\n"a": 3\n', "duplicate key `a`", 2, 1),
    ("duplicate key, nested", b"x:\n  - {p: 1, p: 2}\n", "duplicate key `p`", 2, 12),
    ("duplicate of an open key", b"a: {a: 1, b: {}}\na: 2", "duplicate key `a`", 2, 1),
    ("anchor", b"a: &x 1\n", "an anchor is not allowed", 1, 4),
    ("alias", b"a: 1\nb: *x\n", "an alias is not allowed", 2, 4),
    ("tag", b"a: !!str 1\n", "a tag is not allowed", 1, 4),
    ("python tag", b"a: !!python/name:os.system x\n", "a tag is not allowed", 1, 4),
    ("merge key", b"a: 1\n<<: {b: 2}\n", "a merge key is not allowed", 2, 1),
    ("two documents", b"a: 1\n---\nb: 2\n", "more than one document", 2, 1),
    ("directive", b"%YAML 1.1\n---\na: no\n", "a directive is not allowed", 1, 1),
    ("empty", b"# nothing\n", "empty document", 1, 1),
    ("integer key", b"a: 1\n2: x\n", "a key must be a string", 2, 1),
    ("boolean key", b"true: x\n", "a key must be a string", 1, 1),
    ("null key", b"~: x\n", "a key must be a string", 1, 1),
    ("collection as key", b"[a, b]: x\n", "a key must be a string", 1, 1),
    ("nul", b"a: 1\nb: \x00\n", "control character U+0000", 2, 4),
    ("next line U+0085", "a: x\u0085y: 2\n".encode(), "control character U+0085", 1, 5),
    ("line separator", "a: x\u2028y\n".encode(), "control character U+2028", 1, 5),
    ("byte order mark", b"\xef\xbb\xbfa: 1\n", "control character U+FEFF", 1, 1),
    ("invalid UTF-8", b"a: 1\nbc: \xff\n", "invalid UTF-8", 2, 5),
    ("overlong UTF-8", b"a: \xc0\xaf\n", "invalid UTF-8", 1, 4),
    ("UTF-16", "a: 1\n".encode("utf-16"), "invalid UTF-8", 1, 1),
    ("escaped control", b'a: "x\\0y"\n', "control character in a string", 1, 4),
    ("number too long", b"a: " + b"9" * 41 + b"\n", "number has more than 40 digits", 1, 4),
    ("number very long", b"a: " + b"9" * 5000 + b"\n", "number has more than 40 digits", 1, 4),
    ("exponent too large", b"a: 1e999\n", "number has more than 40 digits", 1, 4),
    ("not YAML", b"a: [1, 2\n", "not YAML", 2, 1),
    ("tab as indentation", b"a:\n\tb: 1\n", "not YAML", 2, 1),
]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "message", "line", "column"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_refused_with_its_place(data: bytes, message: str, line: int, column: int) -> None:
    with pytest.raises(InputError) as caught:
        read_yaml("f.yaml", data)
    assert message in caught.value.message
    assert caught.value.details == {"file": "f.yaml", "line": line, "column": column}
    assert caught.value.message.startswith(f"f.yaml:{line}:{column}: ")


def test_depth_is_capped_without_recursion() -> None:
    fits = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert isinstance(read_yaml("f", fits).value, list)
    for depth in (MAX_DEPTH + 1, 50_000):
        with pytest.raises(InputError, match=r"nested deeper than|not YAML"):
            read_yaml("f", b"[" * depth + b"]" * depth)


def test_size_is_capped() -> None:
    with pytest.raises(InputError, match="larger than"):
        read_yaml("f", b"#" * (MAX_BYTES + 1))


def test_json_is_yaml_and_nodes_know_their_place() -> None:
    node = read_yaml("f.json", b'{"a": [1, {"b": "no"}],\n "c": null}')
    assert node.data() == {"a": [1, {"b": "no"}], "c": None}
    inner = node.value["a"].value[1]
    key = node.key_node("c")
    assert (inner.line, inner.column, key.line, key.column) == (1, 11, 2, 2)


def test_the_parser_without_libyaml_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    import yaml

    data = b"a: no\nb: [18:00, {c: 1.5}]\nd: |\n  text\n"
    fast = read_yaml("f", data).data()
    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    assert read_yaml("f", data).data() == fast
    with pytest.raises(InputError, match="duplicate key"):
        read_yaml("f", b"a: 1\na: 2\n")
