"""Text written by an adversary, through every format: it arrives visible, inert, and in JSON unchanged."""

from __future__ import annotations

import csv
import io
import json
import unicodedata

import pytest

from nhictl.errors import InputError
from nhictl.render import FORMATS, Line, Result, Table, emit, error_json, error_text
from nhictl.render.escape import csv_cell, is_hostile, markdown_cell, terminal, tsv_cell

# text · on a terminal · CSV content · TSV · Markdown
HOSTILE = {
    "harmless": ("plain text, ü 日本", *["plain text, ü 日本"] * 4),
    "clear the screen": (
        "a\x1b[2J",
        "a\\x1b[2J",
        "a\\x1b[2J",
        "a\\x1b[2J",
        "a\\\\x1b\\[2J",
    ),
    "one-byte CSI": ("\x9b31m", "\\x9b31m", "\\x9b31m", "\\x9b31m", "\\\\x9b31m"),
    "OSC 8 link": (
        "\x1b]8;;http://e\x1b\\go",
        "\\x1b]8;;http://e\\x1b\\go",
        "\\x1b]8;;http://e\\x1b\\go",
        "\\x1b]8;;http://e\\x1b\\\\go",
        "\\\\x1b\\]8;;http&#58;//e\\\\x1b\\\\go",
    ),
    "reading order": ("a\u202eb", "a\\u202eb", "a\\u202eb", "a\\u202eb", "a\\\\u202eb"),
    "isolate": ("\u2066x\u2069", *["\\u2066x\\u2069"] * 3, "\\\\u2066x\\\\u2069"),
    "letter mark": ("\u061c\u200e\u200f", *["\\u061c\\u200e\\u200f"] * 3, "\\\\u061c\\\\u200e\\\\u200f"),
    "zero width": ("a\u200bb\ufeff", *["a\\u200bb\\ufeff"] * 3, "a\\\\u200bb\\\\ufeff"),
    "soft hyphen": ("a\u00adb", *["a\\xadb"] * 3, "a\\\\xadb"),
    "tag letters": ("\U000e0041", *["\\U000e0041"] * 3, "\\\\U000e0041"),
    "variation selectors": ("a\ufe01\U000e0100", *["a\\ufe01\\U000e0100"] * 3, "a\\\\ufe01\\\\U000e0100"),
    "filler": ("\u3164", *["\\u3164"] * 3, "\\\\u3164"),
    "line separator": ("a\u2028b\u2029", *["a\\u2028b\\u2029"] * 3, "a\\\\u2028b\\\\u2029"),
    "newline": ("a\nb", "a\\nb", "a\nb", "a\\nb", "a\\\\nb"),
    "tab": ("a\tb", "a\\tb", "a\tb", "a\\tb", "a\\\\tb"),
    "overwrite": ("good\rbad", *["good\\rbad"] * 3, "good\\\\rbad"),
    "next line": ("a\x85b", *["a\\x85b"] * 3, "a\\\\x85b"),
    "NUL": ("a\x00b", *["a\\x00b"] * 3, "a\\\\x00b"),
    "tabulate's separating line": ("\x01", *["\\x01"] * 3, "\\\\x01"),
    "delete": ("a\x7f", *["a\\x7f"] * 3, "a\\\\x7f"),
    "lone surrogate": ("a\udc9b", *["a\\udc9b"] * 3, "a\\\\udc9b"),
    "joined emoji": ("👩\u200d💻", *["👩\\u200d💻"] * 3, "👩\\\\u200d💻"),
    "rich markup": (
        "[red]x[/] [link=http://e]y[/link] :boom:",
        *["[red]x[/] [link=http://e]y[/link] :boom:"] * 3,
        "\\[red\\]x\\[/\\] \\[link=http&#58;//e\\]y\\[/link\\] :boom:",
    ),
    "formula": ("=cmd()", "=cmd()", "'=cmd()", "=cmd()", "=cmd()"),
    "formula after blanks": (" \u00a0+1", " \u00a0+1", "' \u00a0+1", " \u00a0+1", " \u00a0+1"),
    "formula after a newline": ("\n=1", "\\n=1", "'\n=1", "\\n=1", "\\\\n=1"),
    "formula after a tab": ("\tx", "\\tx", "'\tx", "\\tx", "\\\\tx"),
    "formula after a return": ("\rx", "\\rx", "'\\rx", "\\rx", "\\\\rx"),
    "number as text": ("-5", "-5", "'-5", "-5", "-5"),
    "mention": ("@all", "@all", "'@all", "@all", "&#64;all"),
    "wide formula": ("＝1", "＝1", "'＝1", "＝1", "＝1"),
    "pipe": ("a|b\\|c\\", "a|b\\|c\\", "a|b\\|c\\", "a|b\\\\|c\\\\", "a\\|b\\\\\\|c\\\\"),
    "markdown": (
        "`c` *b* _i_ ~s~ ![i](http://e)",
        *["`c` *b* _i_ ~s~ ![i](http://e)"] * 3,
        "\\`c\\` \\*b\\* \\_i\\_ \\~s\\~ !\\[i\\](http&#58;//e)",
    ),
    "html": ("<img src=x>&lt;", *["<img src=x>&lt;"] * 3, "&lt;img src=x&gt;&amp;lt;"),
    "bare link": ("see www.e.com", *["see www.e.com"] * 3, "see www&#46;e.com"),
    "quotes": ('say "a,b"', *['say "a,b"'] * 4),
}
CASES = pytest.mark.parametrize(("text", "shown", "in_csv", "in_tsv", "in_markdown"), HOSTILE.values(), ids=HOSTILE)
TEXTS = pytest.mark.parametrize("text", [case[0] for case in HOSTILE.values()], ids=HOSTILE)


def raw(output: str, allowed: str = "\n") -> list[str]:
    """What a terminal would act on, judged by Unicode's categories and not by our own table."""
    return [c for c in output if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and c not in allowed]


def printed(result: Result, fmt: str | None, *, terminal: bool, color: bool = False, width: int = 80) -> str:
    stream = io.TextIOWrapper(io.BytesIO(), "utf-8", newline="\n")  # would refuse a surrogate
    emit(result, fmt, stream, color=color, terminal=terminal, width=width)
    stream.seek(0)
    return stream.read()


def everywhere(text: str) -> Result:
    data = {"text": text, "deep": [{text: [text]}]}
    table = Table((text, "list", "deep"), [(text, [text, text], {text: text})])
    return Result("s/v1", data, table=table, items=[data], message=text)


@CASES
def test_each_place_has_its_escaping(text: str, shown: str, in_csv: str, in_tsv: str, in_markdown: str) -> None:
    assert (terminal(text), csv_cell(text), tsv_cell(text), markdown_cell(text)) == (
        shown,
        in_csv,
        in_tsv,
        in_markdown,
    )


@TEXTS
@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize(("tty", "width"), [(False, 80), (True, 80), (True, 40)])
def test_nothing_raw_leaves(text: str, fmt: str, tty: bool, width: int) -> None:
    allowed = "\n\t" if fmt in {"csv", "tsv"} else "\n"
    assert raw(printed(everywhere(text), fmt, terminal=tty, width=width), allowed) == []
    listing = Result("s/v1", {text: text, "n": [text]}, message=text)
    assert raw(printed(listing, fmt, terminal=tty, width=width), allowed) == []


@CASES
def test_our_colours_are_the_only_escapes(text: str, shown: str, in_csv: str, in_tsv: str, in_markdown: str) -> None:
    table = printed(everywhere(text), "table", terminal=True, color=True, width=200)
    assert raw(table.replace("\x1b[1m", "").replace("\x1b[0m", "")) == []
    line = Result("s/v1", {}, text=[text, Line(text, guide="└─ ", style="red")])
    shown_line = printed(line, None, terminal=True, color=True, width=200)
    assert shown_line == f"{shown}\n\x1b[2m└─ \x1b[0m\x1b[31m{shown}\x1b[0m\n"


@CASES
def test_one_row_stays_one_row(text: str, shown: str, in_csv: str, in_tsv: str, in_markdown: str) -> None:
    def result() -> Result:
        return Result("s/v1", {}, table=Table(("a", "b"), [(text, "end")]))

    assert len(printed(result(), "table", terminal=False).splitlines()) == 2
    assert len(printed(result(), "table", terminal=True, width=200).splitlines()) == 3
    assert printed(result(), "tsv", terminal=True) == f"a\tb\n{in_tsv}\tend\n"
    assert printed(result(), "markdown", terminal=True) == f"| a | b |\n| --- | --- |\n| {in_markdown} | end |\n"
    assert list(csv.reader(io.StringIO(printed(result(), "csv", terminal=True), newline=""))) == [
        ["a", "b"],
        [in_csv, "end"],
    ]


@TEXTS
@pytest.mark.parametrize("tty", [False, True])
def test_json_is_equal_when_read_again(text: str, tty: bool) -> None:
    data = {"schema": "s/v1", "text": text, "deep": [{text: [text]}]}
    assert json.loads(printed(everywhere(text), "json", terminal=tty)) == data
    assert json.loads(printed(everywhere(text), "jsonl", terminal=tty)) == {k: data[k] for k in ("text", "deep")}
    assert json.loads(printed(Result("s/v1", {"text": text}), "jsonl", terminal=tty))["text"] == text


@CASES
def test_the_thing_alone_and_errors_are_escaped_too(
    text: str, shown: str, in_csv: str, in_tsv: str, in_markdown: str
) -> None:
    assert raw(printed(Result("s/v1", {}, plain=text), None, terminal=False), "\n\t") == []
    error = InputError(text, file=text, line=1, hint=text, details={text: text})
    assert error_text(error) == f"nhictl: {shown}:1: {shown}\n  hint: {shown}"
    assert raw(error_json(error), "") == []
    assert json.loads(error_json(error))["error"]["details"][text] == text


def test_every_control_and_format_character_of_unicode_is_hostile() -> None:
    bad = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    missed = [hex(n) for n in range(0x110000) if unicodedata.category(chr(n)) in bad and not is_hostile(chr(n))]
    assert missed == []


def test_letters_marks_digits_and_blanks_of_all_scripts_are_not() -> None:
    text = "aé ß Ω ж ا ह ひ 漢 e\u0301 🙂 1٣ \u00a0\u3000"
    assert terminal(text) == text
