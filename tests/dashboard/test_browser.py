"""The dashboard as a reader meets it: a real server, the system's Chromium, clicks. Skips without a Chromium."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, ElementHandle, Page, expect, sync_playwright

from dashboard import serve
from monitor.settings import Settings

pytestmark = pytest.mark.browser

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
PATIENCE_MS = 20_000
expect.set_options(timeout=PATIENCE_MS)
PAGES = (
    "/",
    "/topic",
    "/topic?topic=Legal+%7C+Regulation",
    "/company",
    "/company?company=NRVN",
    "/alerts",
    "/alerts?episode=c0ffee000002",
    "/act?token=forged",
    "/feeds",
    "/label",
    "/model",
    "/rules",
    "/rules?rule=new",
    "/rules?list=new",
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("no chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=[*FLAGS, "--disable-sync"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site(seeded_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a dashboard over the seeded database."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("dashboard") / "log"
    environment = {**os.environ, "TOCSIN_DATABASE_URL": seeded_url, "TOCSIN_DASHBOARD_USER": "ada"}
    with log.open("wb") as out:
        server = subprocess.Popen(serve.command(Settings(), port), env=environment, stdout=out, stderr=out)
        try:
            _wait(f"http://127.0.0.1:{port}/_stcore/health", log)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(10)


def _wait(address: str, log: Path) -> None:
    for _ in range(100):
        try:
            with urllib.request.urlopen(address, timeout=1):
                return
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise AssertionError(log.read_text())


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, timezone_id="Europe/Berlin")
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    yield page
    context.close()


def open_page(page: Page, address: str) -> None:
    """Opens and waits until Streamlit has run the page to its end."""
    page.goto(address)
    page.wait_for_selector("h1")
    settle(page)


def settle(page: Page) -> None:
    page.wait_for_timeout(150)
    page.wait_for_function("!document.querySelector('[data-test-script-state=\"running\"]')")
    page.wait_for_timeout(250)


def asked(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def column(page: Page, chart: int, from_end: int) -> ElementHandle:
    """A step of a chart: what the pointer reads and a click chooses."""
    page.wait_for_selector(".js-plotly-plot .barlayer .point path")
    return page.query_selector_all(".js-plotly-plot")[chart].query_selector_all(".barlayer .point path")[-from_end]


def click(page: Page, mark: ElementHandle) -> None:
    mark.scroll_into_view_if_needed()
    box = mark.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.wait_for_timeout(120)
    page.mouse.click(x, y)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_opens_without_an_error_and_asks_nobody_else(page: Page, site: str, path: str) -> None:
    foreign: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: foreign.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    open_page(page, site + path)
    assert page.locator("[data-testid=stException], [data-testid=stAlert]").count() == 0
    assert not errors
    assert [url for url in foreign if urlsplit(url).scheme not in ("data", "blob") and "//127.0.0.1" not in url] == []


def test_a_click_on_a_moment_shows_its_stories_and_the_url_keeps_them(page: Page, site: str) -> None:
    open_page(page, site + "/company?company=NRVN")
    click(page, column(page, 0, from_end=2))
    expect(page.get_by_role("button", name="Close")).to_be_visible()
    expect(page).to_have_url(re.compile("scope=company%3ANRVN"))
    chosen = asked(page)
    assert chosen["from"] < chosen["to"]
    first = page.locator(".st-key-behind .t-list a.head").first
    title = first.inner_text()
    assert "Norvane Motors" in title
    page.reload()
    expect(page.locator(".st-key-behind .t-list a.head").first).to_have_text(title)


def test_closing_the_stories_frees_the_url(page: Page, site: str) -> None:
    open_page(page, site + "/?scope=all&from=2020-01-01T00:00Z&to=2020-01-02T00:00Z")
    expect(page.get_by_text("No such stories here.")).to_be_visible()
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("button", name="Close")).to_have_count(0)
    expect(page).not_to_have_url(re.compile("from="))


def test_a_click_on_the_heat_map_shows_that_topic(page: Page, site: str) -> None:
    open_page(page, site)
    page.wait_for_selector(".js-plotly-plot .heatmaplayer image")
    marks = page.query_selector_all(".js-plotly-plot")[1].query_selector_all(".scatterlayer .point")
    click(page, marks[3])
    expect(page.get_by_role("button", name="Close")).to_be_visible()
    expect(page).to_have_url(re.compile("scope=topic"))


def test_filters_live_in_the_url_and_follow_to_other_pages(page: Page, site: str) -> None:
    open_page(page, site)
    page.get_by_text("7d", exact=True).click()
    expect(page).to_have_url(re.compile("window=7d"))
    settle(page)
    page.get_by_text("Comments", exact=True).click()
    both = "(?=.*window=7d)(?=.*kind=Comments)"
    expect(page).to_have_url(re.compile(both))
    page.get_by_role("link", name="Companies").first.click()
    expect(page).to_have_url(re.compile(f"/company{both}"))


def test_a_reader_gets_from_a_topic_to_a_company_by_links(page: Page, site: str) -> None:
    open_page(page, site + "/topic?topic=Legal+%7C+Regulation&window=7d")
    page.locator(".t-table a", has_text="Norvane Motors").first.click()
    expect(page).to_have_url(re.compile("company=NRVN"))
    expect(page.locator("h1")).to_have_text("Norvane Motors")
    expect(page).to_have_url(re.compile("window=7d"))


def test_times_are_the_reader_s_own(chromium: Browser, site: str) -> None:
    shown = []
    for zone in ("Asia/Tokyo", "America/New_York"):
        context = chromium.new_context(timezone_id=zone)
        page = context.new_page()
        open_page(page, site + "/company?company=NRVN")
        shown.append(page.locator(".t-list time").first.inner_text())
        assert "UTC" in (page.locator(".t-list time").first.get_attribute("title") or "")
        context.close()
    assert shown[0] != shown[1]


def test_what_was_typed_last_counts_when_a_button_is_clicked(page: Page, site: str) -> None:
    open_page(page, site + "/rules?rule=new")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Name must not be empty")).to_be_visible()
    settle(page)
    page.get_by_label("Name", exact=True).fill("Strict")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Try it on the past first")).to_be_visible()


def test_quiet_hours_can_be_set_and_emptied(page: Page, site: str) -> None:
    open_page(page, site + "/rules?rule=new")
    page.get_by_role("spinbutton", name="hour, Quiet hours from").click()
    page.keyboard.type("2200")
    page.keyboard.press("Tab")
    settle(page)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Quiet hours must be two different times")).to_be_visible()
    page.get_by_test_id("stTimeInputClearButton").click()
    settle(page)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Name must not be empty")).to_be_visible()
    expect(page.get_by_text("Quiet hours must be two different times")).to_have_count(0)


def test_a_filter_of_alerts_lives_in_the_url(page: Page, site: str) -> None:
    open_page(page, site + "/alerts")
    expect(page.locator(".t-pick")).to_have_count(2)
    page.locator(".st-key-choice-state input").click()
    page.get_by_role("option", name="Noise").click()
    expect(page).to_have_url(re.compile("state=noise"))
    expect(page.locator(".t-pick")).to_have_count(1)
    page.locator(".t-pick").click()
    expect(page).to_have_url(re.compile("(?=.*state=noise)(?=.*episode=)"))
    expect(page.locator("h2.t-title")).to_contain_text("Dividend: 7 negative stories")


@pytest.mark.parametrize("path", ["", "/alerts", "/rules?rule=new"])
def test_a_narrow_screen_needs_no_sideways_scrolling(chromium: Browser, site: str, path: str) -> None:
    context = chromium.new_context(viewport={"width": 420, "height": 900}, color_scheme="dark")
    page = context.new_page()
    open_page(page, site + path)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    context.close()
