"""Each format, byte for byte, on one table, one object, one thing alone and one text."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest

from nhictl.errors import InputError
from nhictl.render import FORMATS, Line, Result, Table, emit


def printed(result: Result, fmt: str | None, *, terminal: bool = False, color: bool = False, width: int = 80) -> str:
    stream = io.StringIO()
    emit(result, fmt, stream, color=color, terminal=terminal, width=width)
    return stream.getvalue()


ROWS: list[tuple[Any, ...]] = [
    ("t-1", "ann", 3, True, ["a", "b"]),
    ("t-22", "日本", -5, False, []),
    ("t-3", None, 0.5, None, {"k": [1, None]}),
]


def tasks(**more: Any) -> Result:
    table = Table(("id", "owner", "calls", "live", "labels"), iter(ROWS), ("left", "left", "right", "left", "left"))
    items = [{"id": "t-1"}, {"id": "t-22", "owner": "日本"}]
    return Result("nhictl.tasks/v1", {"items": items}, table=table, items=iter(items), **more)


def task(**more: Any) -> Result:
    data = {"task": {"id": "t-1", "owner": "日本"}, "calls": 3, "live": True, "until": None, "tags": ["a", "b"]}
    return Result("nhictl.task/v1", data, **more)


TABLE = {
    "table": (
        "id    owner  calls  live  labels\n"
        "t-1   ann        3  yes   a, b\n"
        "t-22  日本        -5  no\n"
        't-3   –        0.5  –     {"k":[1,null]}\n'
    ),
    "json": '{"schema":"nhictl.tasks/v1","items":[{"id":"t-1"},{"id":"t-22","owner":"日本"}]}\n',
    "jsonl": '{"id":"t-1"}\n{"id":"t-22","owner":"日本"}\n',
    "csv": ('id,owner,calls,live,labels\nt-1,ann,3,true,"a, b"\nt-22,日本,-5,false,\nt-3,,0.5,,"{""k"":[1,null]}"\n'),
    "tsv": (
        "id\towner\tcalls\tlive\tlabels\nt-1\tann\t3\ttrue\ta, b\n"
        't-22\t日本\t-5\tfalse\t\nt-3\t\t0.5\t\t{"k":[1,null]}\n'
    ),
    "markdown": (
        "| id | owner | calls | live | labels |\n"
        "| --- | --- | ---: | --- | --- |\n"
        "| t-1 | ann | 3 | yes | a, b |\n"
        "| t-22 | 日本 | -5 | no |  |\n"
        '| t-3 |  | 0.5 |  | {"k":\\[1,null\\]} |\n'
    ),
}

OBJECT_LINE = (
    '{"schema":"nhictl.task/v1","task":{"id":"t-1","owner":"日本"},'
    '"calls":3,"live":true,"until":null,"tags":["a","b"]}\n'
)
OBJECT = {
    "table": ('key    value\ntask   {"id":"t-1","owner":"日本"}\ncalls  3\nlive   yes\nuntil  –\ntags   a, b\n'),
    "json": OBJECT_LINE,
    "jsonl": OBJECT_LINE,
    "csv": ('key,value\ntask,"{""id"":""t-1"",""owner"":""日本""}"\ncalls,3\nlive,true\nuntil,\ntags,"a, b"\n'),
    "tsv": 'key\tvalue\ntask\t{"id":"t-1","owner":"日本"}\ncalls\t3\nlive\ttrue\nuntil\t\ntags\ta, b\n',
    "markdown": (
        '| key | value |\n| --- | --- |\n| task | {"id":"t-1","owner":"日本"} |\n| calls | 3 |\n'
        "| live | yes |\n| until |  |\n| tags | a, b |\n"
    ),
}


@pytest.mark.parametrize("fmt", FORMATS)
def test_a_table_result_piped(fmt: str) -> None:
    assert printed(tasks(), fmt) == TABLE[fmt]


@pytest.mark.parametrize("fmt", FORMATS)
def test_an_object_result_piped(fmt: str) -> None:
    assert printed(task(), fmt) == OBJECT[fmt]


@pytest.mark.parametrize("fmt", FORMATS)
def test_piped_output_knows_no_width_colour_or_environment(fmt: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("COLUMNS", "20"), ("FORCE_COLOR", "1"), ("TERM", "dumb"), ("LC_ALL", "tr_TR.UTF-8")):
        monkeypatch.setenv(name, value)
    assert printed(tasks(), fmt, color=True, width=20) == TABLE[fmt]


def test_piped_tables_do_not_depend_on_whether_wcwidth_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = SimpleNamespace(wcswidth=lambda text: 2 * len(text))
    monkeypatch.setattr("tabulate.wcwidth", installed)
    monkeypatch.setattr("tabulate.WIDE_CHARS_MODE", True)
    assert printed(tasks(), "table") == TABLE["table"]


def test_json_is_indented_on_a_terminal_and_jsonl_is_not() -> None:
    result = Result("nhictl.agent/v1", {"agent": {"name": "日本"}, "log": []})
    assert printed(result, "json", terminal=True) == (
        '{\n  "schema": "nhictl.agent/v1",\n  "agent": {\n    "name": "日本"\n  },\n  "log": []\n}\n'
    )
    assert printed(tasks(), "jsonl", terminal=True) == TABLE["jsonl"]


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("items", [[], [{"n": 0}], [{"n": 0}, {"n": 1}]])
def test_items_become_a_member_of_the_object_when_asked(items: list[dict[str, Any]], terminal: bool) -> None:
    whole = Result("s/v1", {"a": 1, "events": items})
    handed = Result("s/v1", {"a": 1}, items=iter(items), items_key="events")
    assert printed(handed, "json", terminal=terminal) == printed(whole, "json", terminal=terminal)


def test_on_a_terminal_80_columns_wide() -> None:
    assert printed(tasks(), "table", terminal=True) == (
        "id    owner  calls  live  labels\n"
        "────────────────────────────────────────\n"
        "t-1   ann        3  yes   a, b\n"
        "t-22  日本      -5  no\n"
        't-3   –        0.5  –     {"k":[1,null]}\n'
    )


def test_on_a_terminal_40_columns_wide_long_cells_fold_and_nothing_is_lost() -> None:
    table = Table(("id", "purpose"), [("t-1", "0123456789" * 5), ("t-2", "日本" * 12)])
    assert printed(Result("s/v1", {}, table=table), "table", terminal=True, width=40) == (
        "id   purpose\n"
        "────────────────────────────────────────\n"
        "t-1  01234567890123456789012345678901234\n"
        "     567890123456789\n"
        "t-2  日本日本日本日本日本日本日本日本日\n"
        "     本日本日本日本\n"
    )


def test_more_columns_than_fit_still_all_appear() -> None:
    letters = [chr(ord("a") + n) for n in range(26)]
    text = printed(Result("s/v1", {}, table=Table(letters, [letters])), "table", terminal=True, width=40)
    assert [text.count(letter) for letter in letters] == [2] * 26


def test_colour_only_where_it_is_wanted() -> None:
    table = [("t-1", 1)]
    colored = printed(Result("s/v1", {}, table=Table(("id", "n"), table)), "table", terminal=True, color=True)
    assert colored == "\x1b[1mid \x1b[0m  \x1b[1mn\x1b[0m\n──────\nt-1  1\n"
    assert "\x1b" not in printed(Result("s/v1", {}, table=Table(("id", "n"), table)), "table", terminal=True)


@pytest.mark.parametrize("terminal", [False, True])
def test_an_empty_table_shows_its_header(terminal: bool) -> None:
    empty = Result("s/v1", {"items": []}, table=Table(("id", "n"), [], ("left", "right")), items=[])
    assert printed(empty, "table", terminal=terminal).splitlines()[0] == "id  n"
    assert printed(empty, "csv") == "id,n\n"
    assert printed(empty, "jsonl") == ""


def test_without_a_format_the_thing_alone_comes_first_then_text_then_the_table() -> None:
    assert printed(tasks(plain="t-1", text=["one"], message="done"), None) == "t-1\n"
    assert printed(tasks(text=["one", Line("two", guide="└─ ", style="red")]), None) == "one\n└─ two\n"
    assert printed(tasks(), None) == TABLE["table"]
    assert printed(task(), None) == OBJECT["table"]


def test_asking_for_a_table_gives_the_table_even_beside_a_text() -> None:
    assert printed(tasks(plain="t-1", text=["one"]), "table") == TABLE["table"]


def test_the_thing_alone_ends_in_exactly_one_newline() -> None:
    assert printed(task(plain="a\n\tb"), None) == "a\n\tb\n"
    assert printed(task(plain="a\nb\n"), None) == "a\nb\n"
    assert printed(task(plain=""), None) == "\n"


def test_the_message_stands_under_tables_and_text_and_nowhere_else() -> None:
    assert printed(tasks(message="2 tasks"), "table") == TABLE["table"] + "2 tasks\n"
    assert printed(tasks(message="2 tasks"), "table", terminal=True).endswith("\n2 tasks\n")
    assert printed(task(text=["one"], message="2 tasks"), None) == "one\n2 tasks\n"
    for fmt in FORMATS[1:]:
        assert printed(tasks(message="2 tasks"), fmt) == TABLE[fmt]


def test_an_unknown_format_is_the_callers_mistake() -> None:
    with pytest.raises(InputError, match="unknown output format `xml`"):
        printed(task(), "xml")


@pytest.mark.parametrize("fmt", ["table", "csv", "tsv", "markdown"])
@pytest.mark.parametrize("row", [("t-1",), ("t-1", 2, 3)])
def test_a_row_that_does_not_fit_its_header_is_refused(fmt: str, row: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match="cells under 2 columns"):
        printed(Result("s/v1", {}, table=Table(("id", "n"), [row])), fmt)


def test_as_many_alignments_as_columns() -> None:
    with pytest.raises(ValueError, match="2 columns but 1 alignments"):
        Table(("id", "n"), [], ("left",))


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_json_never_holds_what_json_has_not(number: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        printed(Result("s/v1", {"n": number}), "json")
    assert printed(Result("s/v1", {"n": -float("inf")}), "csv") == "key,value\nn,'-inf\n"


def test_sets_are_printed_in_one_order() -> None:
    assert printed(Result("s/v1", {"n": {"b", "a", "c"}}), "tsv") == "key\tvalue\nn\ta, b, c\n"
