"""The HTML page: nothing of a log becomes markup, only our own style and script may act, equal values give equal bytes."""

from __future__ import annotations

import re
import unicodedata
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

import pytest

from nhictl.core.replay.chosen import ROWS
from nhictl.core.replay.page import Findings, page
from tests.render.pages import ATTACKS, COUNTS, INTEGRITY, TEXTS, event, hostile, html, moment, ordinary

VOID = {"meta", "input"}
TAGS = {
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "header",
    "main",
    "footer",
    "section",
    "article",
    "div",
    "p",
    "span",
    "a",
    "nav",
    "h1",
    "h2",
    "h3",
    "b",
    "code",
    "pre",
    "time",
    "svg",
    "g",
    "circle",
    "path",
    "line",
    "rect",
    "details",
    "summary",
    "ul",
    "li",
    "dl",
    "dt",
    "dd",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "label",
    "input",
    "button",
    "script",
}
ATTRIBUTES = {
    "lang",
    "charset",
    "http-equiv",
    "content",
    "name",
    "class",
    "href",
    "id",
    "width",
    "height",
    "viewbox",
    "aria-hidden",
    "aria-label",
    "role",
    "x",
    "y",
    "x1",
    "x2",
    "y1",
    "y2",
    "r",
    "d",
    "rx",
    "overflow",
    "open",
    "data-fold",
    "type",
    "placeholder",
    "scope",
    "colspan",
}


class Read(HTMLParser):
    """Tags, attributes and text as a parser sees them; refuses tags that do not match."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def shape(source: str) -> list[str]:
    return [tag for tag, _ in Read(source).tags]


@pytest.mark.parametrize("text", TEXTS)
def test_nothing_of_a_log_becomes_markup(text: str) -> None:
    source = html(hostile(text))
    read = Read(source)
    assert {tag for tag, _ in read.tags} <= TAGS
    assert {name for _, attributes in read.tags for name in attributes} <= ATTRIBUTES
    assert all(
        str(attributes["href"]).startswith("#") for _, attributes in read.tags if attributes.get("href") is not None
    )
    assert shape(source) == shape(html(hostile("harmless")))
    bad = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert [c for c in source if unicodedata.category(c) in bad and c != "\n"] == []


def test_the_check_for_markup_can_fail() -> None:
    source = html(hostile("harmless"))
    broken = source.replace("harmless", ATTACKS[0])
    with pytest.raises(AssertionError):
        assert shape(broken) == shape(source)


def test_texts_are_readable_as_they_were() -> None:
    said = " ".join(Read(html(hostile(ATTACKS[0]))).texts)
    assert said.count(ATTACKS[0]) > 20


def test_only_our_own_style_and_script_may_act() -> None:
    source = html(hostile(ATTACKS[0]))
    policy = next(a["content"] for _, a in Read(source).tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    for kind in ("style", "script"):
        (inner,) = re.findall(f"<{kind}>(.*?)</{kind}>", source, re.DOTALL)
        assert f"'sha256-{b64encode(sha256(inner.encode()).digest()).decode()}'" in policy
    assert not re.search(r"""(src|srcset|action|formaction)=|@import|url\(|style=""", source)
    # Before anything that could be loaded.
    assert source.index("Content-Security-Policy") < source.index("<style>") < source.index("<title>") + 999


def test_equal_values_give_equal_bytes() -> None:
    assert html(ordinary()) == html(ordinary())
    assert "1.2.3" in html(ordinary())


def test_every_section_says_how_far_it_can_be_believed() -> None:
    source = html(ordinary())
    sections = re.findall(r'<section id="(\w+)">(.*?)</section>', source, re.DOTALL)
    assert [name for name, _ in sections] == [
        "summary",
        "detections",
        "timeline",
        "tree",
        "scope",
        "events",
        "integrity",
    ]
    assert all("VERIFIED_UNANCHORED" in inner for _, inner in sections)
    assert all("1 thing unproven" in inner for name, inner in sections if name != "integrity")
    assert "no witness" in sections[-1][1]


def test_what_nobody_looked_for_is_not_said_to_be_absent() -> None:
    bare = page([], asked=[], integrity=INTEGRITY, source=COUNTS, unproven=[])
    source = html(bare)
    assert "Detections" not in source
    assert "Scope" not in source
    looked = html(bare._replace(findings=Findings([]), scope=[]))
    assert "not proof that nothing happened" in looked


def test_links_lead_to_what_is_there() -> None:
    read = Read(html(ordinary()))
    ids = {attributes["id"] for _, attributes in read.tags if "id" in attributes}
    links = {attributes["href"] for _, attributes in read.tags if attributes.get("href") is not None}
    assert links <= {f"#{ident}" for ident in ids}
    assert "#e4" in links  # of the finding's record 6


def test_a_long_story_is_cut_where_it_says_so() -> None:
    events = [
        event(
            "tool.called",
            seq=i,
            n=i,
            run="r",
            agent="a",
            tool="t",
            outcome="denied" if i == 4000 else "ok",
            time=moment(i),
        )
        for i in range(5000)
    ]
    finding = {"id": "X", "severity": "high", "title": "x", "message": "x", "records": [{"seq": 4500}], "controls": []}
    made = page(events, asked=[], integrity=INTEGRITY, source=COUNTS, unproven=[], findings=Findings([finding]))
    assert len(made.rows) == ROWS
    assert {4000, 4500} <= {row.place for row in made.rows}
    source = html(made)
    assert f"{ROWS:,} of 5,000 events are on this page" in source
    gaps = [int(n.replace(",", "")) for n in re.findall(r'<td colspan="5">([\d,]+) events? not shown', source)]
    assert sum(gaps) == 5000 - ROWS
    assert "nodes more are not shown here" in source
    # Links of marks may lead to events that are not listed; then they lead nowhere, and harm nothing.
    assert len(source) < 1_500_000
    assert len(made.picture.lanes[0].marks) <= 200
    assert sum(n for mark in made.picture.lanes[0].marks for _, n in mark.counts) == 5000


def test_no_depth_exhausts_anything() -> None:
    events = [
        event("span.x", run="r", span=str(i), parent=str(i - 1) if i else None, evidence="imported")
        for i in range(3000)
    ]
    source = html(page(events, asked=[], integrity=INTEGRITY, source=COUNTS, unproven=[]))
    read = Read(source)
    deepest = depth = 0
    for tag in re.findall(r"</?details", source):
        depth += 1 if tag == "<details" else -1
        deepest = max(deepest, depth)
    assert deepest <= 25
    assert any(text.startswith("+1") for text in read.texts)
