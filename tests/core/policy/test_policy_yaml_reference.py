"""The reader against a second one that is as plain as it can be: same values, same places, same refusals at the same place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from nhictl.core.policy.yaml_events import Node, read_yaml
from nhictl.errors import InputError
from tests.core.policy import reference_yaml
from tests.core.policy.test_policy_yaml import REFUSED, SCALARS

SAMPLES = Path(__file__).parents[3] / "samples"
DOCUMENTS = [path.read_text(encoding="utf-8") for path in sorted(SAMPLES.glob("*.yaml"))]
# Pieces of syntax, words and numbers that one reader or another takes for something else.
PIECES = (
    *"&*!%@`|>?:-,[]{}#'\"\\\n\t <=~.0",
    "&a ", "*a", "!!str ", "!t ", "---\n", "...\n", "%YAML 1.1\n", "<<", "<<: ", "? ", ": ", "- ", "\n  ", "\n- ",
    "{}", "[]", "''", '""', "null", "True", "no", "018", "0x1f", "-.inf", ".NaN", "1e5", "1e99999", "9" * 41, "1_000",
    "a: 1", "{a: 1, a: 2}", "{a: 1, ", "[1, ", '"\\0"', '"\\x9f"', '"\\u2028"', "|\n  x\n", ">-\n  x\n", "é", "\u200b",
    "[" * 40, "a: [{b: [{c: ",
)  # fmt: skip

scalars = (
    st.none() | st.booleans() | st.integers(-(10**45), 10**45) | st.floats(allow_nan=False) | st.text(max_size=8)
    | st.sampled_from(PIECES) | st.sampled_from([text for text, _ in SCALARS])
)  # fmt: skip
keys = st.text(max_size=5) | st.sampled_from(PIECES)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=20
)


def _dumped(value: Any, flow: bool | None) -> str:
    return str(yaml.safe_dump(value, default_flow_style=flow))


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A document that is right, then cut, doubled and sprinkled at a few places."""
    text = draw(
        st.sampled_from(DOCUMENTS)
        | st.sampled_from([data.decode("utf-8", "ignore") for _, data, *_ in REFUSED])
        | st.builds(json.dumps, values)
        | st.builds(_dumped, values, st.none() | st.booleans())
    )  # fmt: skip
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(text)))
        what = draw(st.sampled_from(["insert", "insert", "cut", "double", "swap"]))
        length = draw(st.integers(1, 12))
        if what == "insert":
            text = text[:at] + draw(st.sampled_from(PIECES)) + text[at:]
        elif what == "cut":
            text = text[:at] + text[at + length :]
        elif what == "double":
            text = text[: at + length] + text[at : at + length] + text[at + length :]
        else:
            lines = text.splitlines(keepends=True)
            line = draw(st.integers(0, max(0, len(lines) - 1)))
            text = "".join(lines[:line] + lines[line:][::-1][:length] + lines[line + 1 :])
    return text


def _places(node: Node) -> Any:
    value = node.value
    if isinstance(value, dict):
        keys = {key: node.key_node(key) for key in value}
        value = {key: ((keys[key].line, keys[key].column), _places(below)) for key, below in value.items()}
    elif isinstance(value, list):
        value = [_places(item) for item in value]
    return (value, node.line, node.column)


def _typed(value: Any) -> Any:
    """Told apart by type as well: `1` is not `true`, and `1.0` is not `"1.0"`."""
    if isinstance(value, dict):
        return {key: _typed(below) for key, below in value.items()}
    return [_typed(item) for item in value] if isinstance(value, list | tuple) else (type(value).__name__, value)


def _ours(text: str) -> tuple[str, Any]:
    """What came of it (`ok`, `not YAML` or the refusal's words), and the tree or the place of the refusal."""
    try:
        return "ok", _typed(_places(read_yaml("f", text.encode("utf-8"))))
    except InputError as e:
        line, column = e.details.get("line"), e.details.get("column")
        words = e.message.removeprefix(f"f:{line}:{column}: ")
        return ("not YAML", None) if words.startswith("not YAML") else (words, (line, column))


def _reference(text: str) -> tuple[str, Any]:
    try:
        return "ok", _typed(reference_yaml.read(text))
    except reference_yaml.WrongError as e:
        return e.args[0], (e.args[1], e.args[2])
    except yaml.MarkedYAMLError:
        return "not YAML", None


def agree(text: str) -> str:
    """Hold both readers to one another; say what came of it, without the word that a refusal quotes."""
    got = _ours(text)
    if not got[0].startswith("control character U+"):  # decided on the text, before anything is parsed
        wanted = _reference(text)
        assert got[0].startswith(wanted[0])
        assert got[1] == wanted[1]
    return got[0].partition(" `")[0]


@given(mutated())
def test_both_readers_agree(text: str) -> None:
    agree(text)


def test_both_readers_refuse_the_same_traps() -> None:
    tried = 0
    for name, data, *_ in REFUSED:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            continue
        assert agree(text) != "ok", name
        tried += 1
    assert tried > 20


def test_both_readers_take_the_same_scalars() -> None:
    for text, wanted in SCALARS:
        if text != "-":
            assert agree(f"k: {text}\n") == ("ambiguous number" if wanted == "AMBIGUOUS" else "ok")


def test_both_readers_take_every_sample() -> None:
    assert [agree(text) for text in DOCUMENTS] == ["ok"] * len(DOCUMENTS)
    assert len(DOCUMENTS) > 8
