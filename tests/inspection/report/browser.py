"""A headless browser for tests of pages; they skip where there is none."""

import json
import shutil

import pytest

OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def open_browser(folder, *, width=1280, height=900):
    """Return a driver of Chromium with a profile and downloads in a folder of its own."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    chromedriver = shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for option in (
        *OPTIONS,
        f"--user-data-dir={folder}/profile",
        f"--window-size={width},{height}",
    ):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(chromedriver))
    downloads = {"behavior": "allow", "downloadPath": str(folder)}
    driver.execute_cdp_cmd("Browser.setDownloadBehavior", downloads)
    return driver


def settled(driver):
    """Let the page do what it was told to: events of addresses and details come later."""
    driver.execute_async_script(
        "const done = arguments[0];"
        "setTimeout(() => requestAnimationFrame(() => setTimeout(done, 30)), 30)"
    )


def requested(driver):
    """Return the addresses that pages in files asked for since the last call."""
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    return [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
        # The browser's own pages ask, too.
        and message["params"]["documentURL"].startswith("file:")
    ]
