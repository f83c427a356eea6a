"""TensorBoard's tabs over a finished sweep, and the report from disk, in a real browser."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome

from pare import tasks
from pare.data.baselines import Score
from pare.reporting import baselines, leaderboard, report, tables
from pare.reporting.report import Context, Importance
from pare.reporting.tensorboard.writer import TensorBoard
from tests.reporting.board import board
from tests.reporting.browser import BROWSER, DRIVER, PARALLEL, chrome, images, seen, wait
from tests.reporting.fakes import DOMAINS, many, sweep

TRIALS = ("pare-0000", "nft-0001", "pare-0002", "pare-0003")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (BROWSER and DRIVER), reason="needs chromium and chromedriver (Debian: chromium-driver)"),
]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sweep")
    sweep(tables.Tables(out), board_files := TensorBoard(out, DOMAINS))
    board_files.flush()
    for task, scores in {"ecg": (0.9, 0.95), "darcy": (0.24, 0.25)}.items():
        baselines.write(out, task, tasks.get(task).metric, [Score("constant", *scores)])
    leaderboard.write(out)
    importance = {"ecg": Importance({"optimizer.lr.body": 0.7, "mix_weight": 0.3}, "fANOVA over 6 trials")}
    report.write(out, Context("python sweeps/nas360.py --tasks ecg darcy", 0, importance))
    return out


@pytest.fixture(scope="module")
def browser() -> Iterator[Chrome]:
    try:
        page = chrome()
    except WebDriverException as error:
        pytest.skip(f"chromium does not start here: {str(error).strip().splitlines()[0]}")
    with page:
        yield page


@pytest.fixture(scope="module")
def address(out: Path) -> Iterator[str]:
    with board(out / "tb", pages=True) as answers:
        yield answers.address.removesuffix("/data/plugin")


def test_hparams_lists_every_trial(browser, address):
    browser.get(f"{address}/#hparams")
    wait(browser, lambda page: all(f"{task}/{trial}" in seen(page) for task in ("ecg", "darcy") for trial in TRIALS))
    text = seen(browser)
    assert "confirm-" not in text.split("Trial ID")[1], "confirmations are no trials of the search"
    for name in ("method", "mix_weight", "optimizer.lr.body", "curriculum.family", "validation/best"):
        assert name in text


def test_parallel_coordinates_draw_a_line_a_trial(browser, address):
    browser.get("about:blank")
    browser.get(f"{address}/#hparams")
    wait(browser, lambda page: "ecg/pare-0003" in seen(page))
    browser.execute_script(PARALLEL + "tab.click();")
    lines = PARALLEL + 'return plot.shadowRoot.querySelectorAll("svg .foreground path").length'
    wait(browser, lambda page: page.execute_script(lines) == 2 * len(TRIALS))


def test_scalars_has_one_card_a_tag(browser, address):
    browser.get("about:blank")
    browser.get(f"{address}/#scalars")
    wait(browser, lambda page: "validation" in seen(page) and "learning_rate" in seen(page))
    text = seen(browser)
    for group in ("loss", "speed", "progress"):
        assert group in text


def test_images_shows_the_pictures(browser, address):
    browser.get("about:blank")
    browser.get(f"{address}/#images")
    wait(browser, lambda page: "pictures" in seen(page) and len(images(page)) >= 3)


def test_the_report_opens_from_disk_with_every_chart(browser, out):
    browser.execute_cdp_cmd("Network.enable", {})
    browser.execute_cdp_cmd(
        "Network.emulateNetworkConditions",
        {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0},
    )
    browser.get("about:blank")
    browser.get_log("browser")
    browser.get((out / report.NAME).as_uri())
    wait(browser, lambda page: len(page.find_elements("css selector", ".chart .main-svg")) > 0)
    drawn = [chart for chart in browser.find_elements("css selector", ".chart") if chart.size["height"] > 50]
    assert len(drawn) == 7, "history, curves and confirmation of two tasks, importance of one"
    assert not [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")
    for title in ("Leaderboard", "Against naive fine-tuning", "Budget spent", "Command and versions"):
        assert title in seen(browser)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_is_readable_in_light_and_dark(browser, out, scheme):
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    browser.get((out / report.NAME).as_uri())
    wait(browser, lambda page: page.find_elements("css selector", ".chart .xtick text"))
    ink, paper = (
        browser.execute_script(
            "const shade = c => c.match(/\\d+/g).slice(0, 3).reduce((a, b) => a + +b, 0) / 765;"
            "return shade(getComputedStyle(document.querySelector(arguments[0]))[arguments[1]])",
            *arguments,
        )
        for arguments in ((".chart .xtick text", "fill"), ("body", "backgroundColor"))
    )
    assert abs(ink - paper) > 0.5
    assert (paper > 0.5) == (scheme == "light")


def test_the_report_of_ten_thousand_trials_opens_in_three_seconds(browser, tmp_path):
    many(tmp_path, 10_000)
    path = report.write(tmp_path, Context("python sweeps/nas360.py"))
    assert path.stat().st_size < 10_000_000
    browser.get("about:blank")
    began = time.monotonic()
    browser.get(path.as_uri())
    wait(browser, lambda page: page.find_elements("css selector", "#ecg-history .main-svg"))
    assert time.monotonic() - began < 3
