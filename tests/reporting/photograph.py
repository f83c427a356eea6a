"""Takes the README's pictures of a finished sweep: `python -m tests.reporting.photograph OUT`.

It needs chromium and chromedriver. The pictures go to `tests/reporting/pictures/`.
"""

import io
import sys
import time
from pathlib import Path

from PIL import Image
from selenium.webdriver import Chrome

from pare.layout import SweepDir
from tests.reporting.board import board
from tests.reporting.browser import PARALLEL, chrome, images, seen, wait

PICTURES = Path(__file__).parent / "pictures"

_SETTLED = 2.0
"""Seconds that drawn curves and loaded pictures move on."""


def main() -> None:
    out = SweepDir(Path(sys.argv[1]))
    with chrome() as browser, board(out.tensorboard, pages=True) as answers:
        address = answers.address.removesuffix("/data/plugin")
        _parallel_coordinates(browser, address)
        _pictures_of_a_trial(browser, address, "darcy/pare-0000")
        _report(browser, out.report)


def _parallel_coordinates(browser: Chrome, address: str) -> None:
    browser.get(f"{address}/#hparams")
    wait(browser, lambda page: "pare-0000" in seen(page))
    browser.execute_script(PARALLEL + "tab.click();")
    drawn = PARALLEL + 'return plot.shadowRoot.querySelectorAll("svg .foreground path").length'
    wait(browser, lambda page: page.execute_script(drawn) > 0)
    _take(browser, "hparams")


def _pictures_of_a_trial(browser: Chrome, address: str, trial: str) -> None:
    browser.get("about:blank")
    browser.get(f"{address}/?runFilter={trial}&tagFilter=pictures#timeseries")
    wait(browser, lambda page: len(images(page)) >= 3)
    _take(browser, "images")


def _report(browser: Chrome, page: Path) -> None:
    """Take the beginning of the report, to its first task's charts."""
    browser.set_window_size(1120, 1500)
    browser.get(page.absolute().as_uri())
    wait(browser, lambda page: page.find_elements("css selector", ".chart .xtick text"))
    _take(browser, "report")


def _take(browser: Chrome, name: str) -> None:
    time.sleep(_SETTLED)
    shot = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
    shot.quantize(256, dither=Image.Dither.NONE).save(PICTURES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
