"""The page in a real browser: it draws, asks for nothing, complains of nothing, and nothing is cut off."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deploy import browser
from tests.report.conftest import Report


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Page]:
    if not browser.CHROMIUM:
        pytest.skip("no Chromium here (Debian: apt-get install chromium): the report is not looked at")
    with browser.page(tmp_path_factory.mktemp("profile")) as page:
        yield page


@pytest.fixture(params=["report.html", "empty.html"])
def opened(request: pytest.FixtureRequest, report: Report, page: str, tab: browser.Page) -> browser.Page:
    """The page of the fleet, and that of one which has not reported yet."""
    tab.open((report.folder / request.param).as_uri())
    tab.until(f"location.href.endsWith({request.param!r}) && document.readyState === 'complete'", "the page")
    return tab


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 820, 390])
def test_nothing_is_cut_off(opened: browser.Page, width: int, dark: bool) -> None:
    opened.size(width, dark=dark)
    assert opened.js("document.documentElement.scrollWidth") <= width
    assert opened.clipped() == []
    opened.js("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert opened.js("document.documentElement.scrollWidth") <= width
    assert opened.clipped() == []


@pytest.mark.parametrize("width", [1280, 390])
def test_charts_are_drawn_once_and_readable(report: Report, page: str, tab: browser.Page, width: int) -> None:
    tab.size(width)
    tab.open((report.folder / "report.html").as_uri())
    tab.until("document.readyState === 'complete' && !!document.querySelector('figure')", "the page")
    # One of the two drawings of each chart shows, in at least the size in which it was drawn.
    shown = tab.js(
        "[...document.querySelectorAll('figure')].map(each => [...each.querySelectorAll('svg')]"
        ".filter(svg => svg.checkVisibility()).map(svg => svg.getBoundingClientRect().width"
        " / svg.viewBox.baseVal.width))"
    )
    assert len(shown) >= 7
    assert all(len(scales) == 1 and scales[0] > 0.95 for scales in shown), shown
    assert tab.js("[...document.querySelectorAll('figure')].every(each => each.textContent.trim())")


def test_by_night_ink_and_paper_change(report: Report, page: str, tab: browser.Page) -> None:
    tab.open((report.folder / "report.html").as_uri())
    tab.until("document.readyState === 'complete' && !!document.querySelector('figure')", "the page")
    colours = (
        "[getComputedStyle(document.body).backgroundColor,"
        " getComputedStyle(document.querySelector('svg text')).fill]"
    )
    seen = []
    for dark in (False, True):
        tab.size(1280, dark=dark)
        seen.append(tab.js(colours))
    (day_paper, day_ink), (night_paper, night_ink) = seen
    assert day_paper != night_paper
    assert day_ink != night_ink
    assert "rgb(0, 0, 0)" not in (day_ink, night_ink), "a variable without a value"


def test_it_asks_for_nothing_and_complains_of_nothing(tab: browser.Page) -> None:
    assert [url for url in tab.requests if not url.startswith(("file:", "about:"))] == []
    assert tab.complaints == []
