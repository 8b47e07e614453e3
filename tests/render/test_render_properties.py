"""What holds for any text, not only for the known tricks."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from nhictl.render import Result, Table, emit
from nhictl.render.escape import csv_cell, markdown_cell, terminal, tsv_cell
from nhictl.render.lines import ELLIPSIS, fit

# All of Unicode, surrogates too, with the troublesome ones often.
ANY = st.text(
    st.one_of(
        st.characters(exclude_categories=()),
        st.sampled_from("\x00\x07\x1b\t\n\r\x7f\x85\x9b\u200d\u202e\u2028\ufeff\udc80=+-@'|\\\"`*_[]<>,;日本"),
    )
)


def paired(text: str) -> bool:
    """Whether two surrogates stand so that a JSON reader would make one character of them."""
    return any("\ud800" <= a <= "\udbff" and "\udc00" <= b <= "\udfff" for a, b in pairwise(text))


UNPAIRED = ANY.filter(lambda text: not paired(text))


def printed(result: Result, fmt: str, *, terminal: bool = False) -> str:
    stream = io.StringIO(newline="")
    emit(result, fmt, stream, color=False, terminal=terminal, width=40)
    return stream.getvalue()


@given(ANY)
def test_what_is_shown_has_no_controls_and_escaping_again_changes_nothing(text: str) -> None:
    shown = terminal(text)
    assert all(unicodedata.category(c)[0] != "C" and unicodedata.category(c) not in {"Zl", "Zp"} for c in shown)
    assert terminal(shown) == shown
    assert terminal(text, keep="\n\t").replace("\n", "\\n").replace("\t", "\\t") == shown


@given(st.lists(st.tuples(ANY, ANY), max_size=4))
def test_csv_parses_back_to_the_same_cells(rows: list[tuple[str, str]]) -> None:
    output = printed(Result("s/v1", {}, table=Table(("a", "b"), rows)), "csv")
    parsed = list(csv.reader(io.StringIO(output, newline="")))
    assert parsed == [["a", "b"], *([csv_cell(a), csv_cell(b)] for a, b in rows)]
    for cells, row in zip(parsed[1:], rows, strict=True):
        for cell, text in zip(cells, row, strict=True):
            assert cell in {terminal(text, keep="\n\t"), "'" + terminal(text, keep="\n\t")}
            assert not cell.lstrip().startswith(("=", "+", "-", "@"))


@given(st.lists(st.tuples(ANY, ANY), max_size=4))
def test_tsv_has_one_line_per_row_and_can_be_undone(rows: list[tuple[str, str]]) -> None:
    lines = printed(Result("s/v1", {}, table=Table(("a", "b"), rows)), "tsv").split("\n")
    assert lines == ["a\tb", *(f"{tsv_cell(a)}\t{tsv_cell(b)}" for a, b in rows), ""]
    for line, row in zip(lines[1:-1], rows, strict=True):
        # Python knows the same escapes; everything else goes through latin-1 as \uXXXX first.
        undone = [c.encode("latin-1", "backslashreplace").decode("unicode_escape") for c in line.split("\t")]
        assert tuple(undone) == row


@given(ANY)
def test_a_markdown_row_keeps_its_columns(text: str) -> None:
    cell = markdown_cell(text)
    free = cell.replace("\\\\", "").replace("\\|", "")
    assert "|" not in free
    assert not any(mark in free.replace(f"\\{mark}", "") for mark in "`*_[]<>")


@given(st.dictionaries(UNPAIRED, UNPAIRED, max_size=3), st.booleans())
def test_json_reads_back_equal(data: dict[str, str], tty: bool) -> None:
    output = printed(Result("s/v1", {"data": data}), "json", terminal=tty)
    assert json.loads(output) == {"schema": "s/v1", "data": data}
    assert all(unicodedata.category(c)[0] != "C" for c in output.replace("\n", ""))
    assert tty or output.count("\n") == 1


@given(ANY, ANY)
def test_tables_on_a_terminal_of_40_stay_within_it(a: str, b: str) -> None:
    from rich.cells import cell_len

    lines = printed(Result("s/v1", {}, table=Table(("a", "b"), [(a, b)])), "table", terminal=True).split("\n")
    assert max(map(cell_len, lines)) <= 40


@given(ANY, st.integers(1, 30))
def test_a_fitted_line_fits_and_is_a_beginning(text: str, width: int) -> None:
    from rich.cells import cell_len

    shown = terminal(text)
    fitted = fit(shown, width)
    assert cell_len(fitted) <= width
    assert fitted == shown or (fitted.endswith(ELLIPSIS) and shown.startswith(fitted[:-1]))
