"""The page in Chromium: silent, offline, folding, nothing wider than the window, light and dark."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import PROGRAM, Browser
from tests.render.pages import ATTACKS, hostile, html, ordinary

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium here")
WIDTHS = pytest.mark.parametrize("width", [390, 1280])


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = Browser()
    yield found
    found.close()


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "story.html"
    path.write_text(html(ordinary(60)), encoding="utf-8")
    return path


def wide(browser: Browser) -> int:
    """CSS pixels by which the page is wider than its window."""
    found: int = browser.run("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return found


@WIDTHS
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_is_silent_offline_and_fits(browser: Browser, story: Path, width: int, dark: bool) -> None:
    browser.open(story, width=width, dark=dark)
    assert browser.complaints() == []
    assert browser.requests() == [story.as_uri()]
    assert wide(browser) <= 0
    ink, ground = browser.run(
        "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    )
    light = [sum(int(n) for n in text[4:-1].split(",")) for text in (ink, ground)]
    assert (light[0] > 600, light[1] > 600) == (dark, not dark)
    if folder := os.environ.get("NHICTL_SCREENSHOTS"):
        browser.screenshot(Path(folder) / f"page-{width}-{'dark' if dark else 'light'}.png")


@WIDTHS
def test_every_attack_is_only_text(browser: Browser, tmp_path: Path, width: int) -> None:
    path = tmp_path / "hostile.html"
    path.write_text(html(hostile(" ".join(ATTACKS))), encoding="utf-8")
    browser.open(path, width=width)
    assert browser.complaints() == []
    assert browser.requests() == [path.as_uri()]
    assert wide(browser) <= 0
    assert browser.run("document.scripts.length") == 1
    assert browser.run("document.images.length") == 0


def test_a_script_of_others_would_be_refused(browser: Browser, story: Path, tmp_path: Path) -> None:
    """The check above can fail: a page with a hole in it runs nothing, asks for nothing, and complains."""
    path = tmp_path / "hole.html"
    hole = "<main><script>window.owned=1</script><img src=http://evil.example/x onerror=window.owned=1>"
    path.write_text(story.read_text(encoding="utf-8").replace("<main>", hole), encoding="utf-8")
    browser.open(path, width=1280)
    assert browser.run("window.owned") is None
    assert browser.complaints()


def test_it_folds_and_finds(browser: Browser, story: Path) -> None:
    browser.open(story, width=1280)
    opened = "document.querySelectorAll('.tree details[open]').length"
    every = browser.run("document.querySelectorAll('.tree details').length")
    browser.run("document.querySelector('[data-fold=\"\"]').click()")
    assert browser.run(opened) == 0
    browser.run("document.querySelector('[data-fold=open]').click()")
    assert browser.run(opened) == every > 2
    shown = "[...document.querySelectorAll('#events tbody tr')].filter(row => row.checkVisibility()).length"
    assert browser.run(shown) == 63
    browser.run("document.getElementById('wrong').click()")
    assert browser.run(shown) == 13  # twelve denials and the revocation
    browser.run("(f => {f.value = 'revoked'; f.dispatchEvent(new Event('input'))})(document.getElementById('find'))")
    assert browser.run(shown) == 1


def test_it_prints_whole(browser: Browser, story: Path) -> None:
    browser.open(story, width=1280)
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.run("getComputedStyle(document.querySelector('nav')).display") == "none"
    folded = "[...document.querySelectorAll('#events .full')].filter(one => one.offsetHeight > 0).length"
    assert browser.run(folded) == 120  # arguments and result of each call
    printed = browser.call("Page.printToPDF")["data"]
    assert len(printed) > 20_000
    browser.call("Emulation.setEmulatedMedia", media="")
