"""A headless Chromium of this machine, driven as a person drives it: keys and pointer alone."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
MISSING = ("no Chromium with its driver on this machine: on Debian, `apt-get install chromium chromium-driver`, elsewhere "
           "Chrome and chromedriver")
_QUIET = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-sync",
          "--disable-background-networking", "--disable-component-update", "--force-prefers-reduced-motion",
          # no network: whatever the page asked for would fail
          "--host-resolver-rules=MAP * ~NOTFOUND")


def installed() -> bool:
    """Whether there is a browser that can be driven."""
    return bool(_binary() and shutil.which("chromedriver"))


def _binary() -> str | None:
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


@contextmanager
def chromium(folder: Path, *, width: int = 1280, height: int = 900, dark: bool = False) -> Iterator:
    """A browser that downloads into `folder`; skips the test, with the reason, where there is none."""
    if not installed():
        pytest.skip(MISSING)
    binary, driver = _binary(), shutil.which("chromedriver")
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: it is of the extra `dev`")
    from selenium.common.exceptions import WebDriverException

    asked = webdriver.ChromeOptions()
    asked.binary_location = binary
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for argument in (*_QUIET, f"--user-data-dir={profile}", f"--window-size={width},{height}",
                         *(("--blink-settings=preferredColorScheme=0",) if dark else ())):
            asked.add_argument(argument)
        asked.add_experimental_option("prefs", {"download.default_directory": str(folder),
                                                "download.prompt_for_download": False})
        try:
            started = webdriver.Chrome(options=asked, service=webdriver.ChromeService(driver))
        except WebDriverException as error:
            pytest.skip(f"Chromium does not start here: {str(error)[:200]}")
        try:
            started.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                    {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})
            yield started
        finally:
            started.quit()
