"""A browser for the tests that look at pages, and what to do where a tool is missing."""

import importlib.util
import os
import shutil
from contextlib import contextmanager

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER = next(filter(None, map(shutil.which, NAMES)), None)


def need(tool, present):
    """Skips the test where a tool is missing; fails it if the variable COURSE_REQUIRE names the tool."""
    if present:
        return
    if tool in os.environ.get("COURSE_REQUIRE", "").split():
        pytest.fail(f"no {tool} on this machine, and COURSE_REQUIRE names it")
    pytest.skip(f"no {tool} on this machine")


@contextmanager
def browser():
    """Chromium or Chrome, steered by Playwright."""
    need("browser", BROWSER and importlib.util.find_spec("playwright"))
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield started
        started.close()
