"""Chromium without a window, and what is on its page."""

import shutil
from collections.abc import Callable

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

BROWSER, DRIVER = (shutil.which(name) for name in ("chromium", "chromedriver"))

PARALLEL = """
    let plot = null, tab = null;
    (function walk(root) {
      for (const node of root.querySelectorAll("*")) {
        if (node.nodeName === "PAPER-TAB" && node.textContent.includes("PARALLEL")) tab = node;
        if (node.nodeName === "TF-HPARAMS-PARALLEL-COORDS-PLOT") plot = node;
        if (node.shadowRoot) walk(node.shadowRoot);
        if (node.nodeName === "IFRAME" && node.contentDocument) walk(node.contentDocument);
      }
    })(document);
"""
"""Finds the plot of parallel coordinates in TensorBoard, and its tab."""


def chrome() -> Chrome:
    """Start the browser.

    Raises:
        WebDriverException: it does not start here.
    """
    options = ChromeOptions()
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        "--window-size=1400,1000",
        "--enable-unsafe-swiftshader",  # TensorBoard draws its curves with WebGL
    ):
        options.add_argument(argument)
    options.binary_location = str(BROWSER)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return Chrome(options=options, service=Service(DRIVER))


def seen(browser: Chrome) -> str:
    """All text on the page, that inside shadow roots and frames of its own included."""
    return browser.execute_script(
        """
        const texts = [];
        (function walk(root) {
          for (const node of root.childNodes) {
            if (node.nodeType === Node.TEXT_NODE) texts.push(node.textContent.trim());
            else if (!["SCRIPT", "STYLE", "TEMPLATE"].includes(node.nodeName)) {
              if (node.shadowRoot) walk(node.shadowRoot);
              if (node.nodeName === "IFRAME" && node.contentDocument) walk(node.contentDocument.body);
              walk(node);
            }
          }
        })(document.body);
        return texts.filter(text => text).join(" ");
        """
    )


def images(browser: Chrome) -> list[list[int]]:
    """Sizes of the loaded images on the page, wherever they are."""
    return browser.execute_script(
        """
        const sizes = [];
        (function walk(root) {
          for (const node of root.querySelectorAll("*")) {
            if (node.nodeName === "IMG" && node.naturalWidth > 100) sizes.push([node.naturalWidth, node.naturalHeight]);
            if (node.shadowRoot) walk(node.shadowRoot);
            if (node.nodeName === "IFRAME" && node.contentDocument) walk(node.contentDocument);
          }
        })(document);
        return sizes;
        """
    )


def wait(browser: Chrome, condition: Callable[[Chrome], object]) -> None:
    WebDriverWait(browser, 90, poll_frequency=0.5).until(condition)
