"""The console in a real browser: opened by its one-time link, alive, silent towards other hosts, in two languages."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pyarrow.csv
import pytest

from cauce import Loop, load_project
from cauce.loop.stages import run_stages
from e2e.running import Running, running, wait_for
from e2e.school import TOML, students

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("chromedriver") is None, reason="chromedriver is not installed"),
]
HOSTILE = "<script>alert(1)</script>"
ROW = {"hours": 5.0, HOSTILE: "algebra", "grade": 6.0}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A project whose column and class are markup, served."""
    folder = tmp_path_factory.mktemp("console")
    table = students()
    labels = ["<img src=x onerror=alert(2)>" if value == "yes" else "no" for value in table["passed"].to_pylist()]
    hostile = table.set_column(4, "passed", [labels]).rename_columns(["id", "hours", HOSTILE, "grade", "passed"])
    pyarrow.csv.write_csv(hostile, folder / "students.csv")
    (folder / "cauce.toml").write_text(TOML, encoding="utf-8")
    run_stages(Loop(load_project(folder / "cauce.toml", {})))
    with running(folder, "up", "--port", "0", "--every", "1s") as started:
        assert started.url
        yield started


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--window-size=1280,2200",
        f"--user-data-dir={tmp_path / 'chromium'}",
    ):
        options.add_argument(argument)
    if found := shutil.which("chromium"):
        options.binary_location = found
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    driver.set_page_load_timeout(60)
    yield driver
    driver.quit()


def text_of(browser: Chrome) -> str:
    from selenium.common.exceptions import StaleElementReferenceException
    from selenium.webdriver.common.by import By

    try:
        return browser.find_element(By.TAG_NAME, "body").text
    except StaleElementReferenceException:  # the page replaced its <main> meanwhile
        return ""


def hosts_asked(browser: Chrome) -> set[str]:
    """Return the hosts of every request that the pages made."""
    found = set()
    for entry in browser.get_log("performance"):  # type: ignore[no-untyped-call]
        message: dict[str, Any] = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            parts = urlsplit(message["params"]["request"]["url"])
            if parts.scheme in {"http", "https", "ws", "wss"}:
                found.add(parts.netloc)
    return found


def test_the_console_opens_once_shows_the_champion_and_follows_the_traffic(service: Running, browser: Chrome) -> None:
    link = service.link
    browser.get(link)
    assert browser.current_url == f"{service.url}/console", "the code does not stay in the address"
    page = text_of(browser)
    reason = Loop(load_project(service.folder / "cauce.toml", {})).tracker.release("passed", 1).training.choice.reason
    assert "school" in page
    assert "passed" in page
    assert reason["en"].split(".")[0] in page
    assert "3 predictions" not in page
    with service.client() as http:
        assert http.post("/v1/models/passed/predict", json={"rows": [ROW] * 3}).status_code == 200
    wait_for(lambda: "3 predictions" in text_of(browser), "the page did not refresh by itself", patience_s=30.0)
    assert "&lt;script&gt;" in browser.page_source, "a hostile name is shown as text"
    assert not browser.execute_script("return document.querySelectorAll('img, main script').length")
    if folder := os.environ.get("CAUCE_SCREENSHOTS"):
        browser.save_screenshot(str(Path(folder) / "console.png"))
    assert hosts_asked(browser) == {urlsplit(service.url).netloc}
    assert [entry for entry in browser.get_log("browser") if entry["level"] in {"SEVERE", "WARNING"}] == []  # type: ignore[no-untyped-call]


def test_a_used_link_shows_the_sign_in_page_and_the_token_opens_it(service: Running, browser: Chrome) -> None:
    from selenium.webdriver.common.by import By

    browser.get(service.link)  # used by the test before, or used up here
    browser.delete_all_cookies()
    browser.get(service.link)
    assert "regularised" not in text_of(browser)
    token = (service.folder / ".cauce" / "secrets" / "token").read_text().strip()
    field = browser.find_element(By.NAME, "token")
    field.send_keys(token)
    field.submit()
    wait_for(lambda: "school" in browser.title and browser.current_url == f"{service.url}/console", patience_s=20.0)
    assert "passed" in text_of(browser)
    assert hosts_asked(browser) == {urlsplit(service.url).netloc}


def test_the_console_leads_to_the_audits_page(service: Running, browser: Chrome) -> None:
    from selenium.webdriver.common.by import By

    token = (service.folder / ".cauce" / "secrets" / "token").read_text().strip()
    browser.get(f"{service.url}/console")
    field = browser.find_element(By.NAME, "token")
    field.send_keys(token)
    field.submit()
    wait_for(lambda: "school" in browser.title, patience_s=20.0)
    link = browser.find_element(By.PARTIAL_LINK_TEXT, "The whole audit").get_attribute("href")
    browser.get(str(link))
    wait_for(lambda: "/console/audits/passed" in browser.current_url, patience_s=20.0)
    assert "fit to learn from" in text_of(browser)
    assert HOSTILE in text_of(browser), "a hostile column name is shown as text"
    assert not browser.execute_script("return document.querySelectorAll('img, script').length")
    assert hosts_asked(browser) == {urlsplit(service.url).netloc}
    log = browser.get_log("browser")  # type: ignore[no-untyped-call]
    assert [entry for entry in log if entry["level"] == "SEVERE" and "401" not in entry["message"]] == []


def test_a_spanish_project_speaks_spanish(service: Running, browser: Chrome, tmp_path: Path) -> None:
    folder = tmp_path / "escuela"
    shutil.copytree(service.folder, folder, ignore=shutil.ignore_patterns("*.lock", "ledger"))
    toml = TOML.replace('name = "school"', 'name = "escuela"\nlanguage = "es"')
    (folder / "cauce.toml").write_text(toml, encoding="utf-8")
    reason = Loop(load_project(folder / "cauce.toml", {})).tracker.release("passed", 1).training.choice.reason
    with running(folder, "serve", "--port", "0") as spanish:
        browser.get(spanish.link)
        page = text_of(browser)
    assert browser.execute_script("return document.documentElement.lang") == "es"
    assert "escuela" in page
    assert reason["es"].split(".")[0] in page
    assert "champion" not in page.lower()
    if shots := os.environ.get("CAUCE_SCREENSHOTS"):
        browser.save_screenshot(str(Path(shots) / "consola.png"))
