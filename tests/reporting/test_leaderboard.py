import io
from dataclasses import fields

import pandas as pd
import pytest
from rich.console import Console

from pare import tasks
from pare.data.baselines import Score
from pare.reporting import baselines, leaderboard, schema
from pare.reporting.entries import Entry, build
from pare.reporting.leaderboard import render, write
from pare.reporting.tables import Tables
from tests.reporting.fakes import record, run

CONSTANTS = {"ecg": (0.8, 0.81), "darcy": (0.7, 0.71)}
METRIC = tasks.get("darcy").metric


def without_baselines(out):
    for task in CONSTANTS:
        baselines.path(out, task).unlink()
    return out


@pytest.fixture
def out(tmp_path):
    tables = Tables(tmp_path)
    for index, state in enumerate(["complete", "complete", "pruned", "failed"]):
        run(tables, record(f"pare-{index:04}"), metric=0.5 - index / 100, state=state)
    run(tables, record("nft-0004", method="nft"))
    for seed, test in enumerate((0.3, 0.4)):
        run(tables, record(f"confirm-pare-{seed}", purpose="confirm", test=test, seed=seed), metric=0.35)
    run(tables, record("confirm-pare-2", purpose="confirm", seed=2), state="failed")
    real = {"task": "darcy", "provenance": "real", "body": "pretrained"}
    run(tables, record("pare-0000", **real), metric=0.01)
    run(tables, record("confirm-pare-0", purpose="confirm", test=0.008, **real), metric=0.01)
    for task, scores in CONSTANTS.items():
        baselines.write(tmp_path, task, METRIC, [Score("constant", *scores)])
    return tmp_path


def shown(rows: list[Entry], width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(render(rows, width))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_method_is_judged_by_its_confirmation(out):
    row = next(row for row in build(out) if (row.task, row.method) == ("ecg", "pare"))
    assert (row.trials, row.epochs, row.seconds, row.pruned, row.failed, row.seeds) == (4, 8, 16.0, 1, 1, 2)
    assert [row.validation, row.test] == pytest.approx([0.35, 0.35])
    assert row.spread == pytest.approx(0.1 / 2**0.5)
    assert row.gpu_hours == pytest.approx(7 * 0.25)


def test_without_a_confirmation_the_best_complete_trial_stands_for_it(out):
    row = next(row for row in build(out) if row.method == "nft")
    assert (row.validation, row.test, row.spread, row.seeds) == (0.5, None, None, 0)


def test_rows_go_by_task_and_test_with_the_constant_among_them(out):
    order = [(row.task, row.method) for row in build(out)]
    assert order == [("darcy", "pare"), ("darcy", "constant"), ("ecg", "pare"), ("ecg", "constant"), ("ecg", "nft")]
    assert [row.test for row in build(out) if row.method == "constant"] == [0.71, 0.81]
    assert all(row.method != "constant" for row in build(without_baselines(out)))


def test_only_real_data_and_verified_figures_compare(out):
    rows = {(row.task, row.method): row for row in build(out)}
    assert rows["ecg", "pare"].comparable == "no: simulated"
    assert rows["darcy", "pare"].comparable == "no: unverified"
    assert (rows["darcy", "pare"].published, rows["darcy", "pare"].source[:6]) == (7e-3, "PaRe: ")


def test_other_methods_stand_against_nft_on_the_same_seeds(out):
    for seed, test in enumerate((0.5, 0.4)):
        run(Tables(out), record(f"confirm-nft-{seed}", method="nft", purpose="confirm", test=test, seed=seed))
    rows = {row.method: row for row in build(out) if row.task == "ecg"}
    assert rows["pare"].difference == pytest.approx(-0.1)
    assert rows["pare"].difference_low < -0.1 < rows["pare"].difference_high
    assert rows["nft"].difference is None


def test_a_choice_that_was_luck_is_flagged(out):
    for seed in range(2):
        run(Tables(out), record(f"published-pare-{seed}", purpose="published", seed=seed), metric=0.3)
    row = next(row for row in write(out) if (row.task, row.method) == ("ecg", "pare"))
    assert (row.default, row.overtuned) == (pytest.approx(0.3), True)
    assert "0.3 (better!)" in (out / "leaderboard.md").read_text(encoding="utf-8")


def test_a_trivial_predictor_has_its_row(out):
    baselines.write(out, "darcy", METRIC, [Score("constant", 0.7, 0.71), Score("steady solve", 0.2, 0.005)])
    rows = build(out)
    assert [row.method for row in rows if row.task == "darcy"] == ["steady solve", "pare", "constant"]


def test_a_figure_of_another_metric_does_not_compare(tmp_path):
    real = {"task": "cosmic", "provenance": "real", "body": "pretrained"}
    run(Tables(tmp_path), record("confirm-pare-0", purpose="confirm", test=0.05, **real))
    (row,) = build(tmp_path)
    assert (row.published, row.comparable) == (0.121, "no: 1 - AUROC of decisions")


def test_the_parquet_file_has_its_schema(out):
    rows = write(out)
    assert [field.name for field in fields(Entry)] == schema.leaderboard().names
    assert pd.read_parquet(out / "leaderboard.parquet").method.tolist() == [row.method for row in rows]


def test_the_page_tells_metric_direction_and_data_of_every_task(out):
    write(out)
    page = (out / "leaderboard.md").read_text(encoding="utf-8")
    darcy, ecg = page.split("\n## ")[1:]
    assert "relative L2, lower is better" in darcy
    assert "data: real, the official files, or your own" in darcy
    assert "1 - macro-F1, lower is better" in ecg
    assert "data: simulated, a stand-in" in ecg
    figures = (
        "| pare | 0.350 ± 0.071 (2) | – | 0.35 | – | no: simulated | 0.28 | random | 4 | 8 | 16 | 1.75 "
        "| 1 | 1 | simulated |"
    )
    assert figures in ecg
    assert "search (trials/epochs/seconds): pare 4/8/16; nft 1/2/4  \n" in ecg


@pytest.mark.parametrize("width", [40, 80, 300])
def test_a_terminal_drops_columns_and_wraps_only_what_was_searched(out, width):
    lines = shown(build(out), width).splitlines()
    assert max(map(len, lines)) <= width
    # Blank, heading and column names of each task, and its rows; where columns are missing, a word on that.
    assert len(lines) == 2 * (1 + 4 + 1) + 2 + 3 + (2 if width < 300 else 0) + (2 if width == 40 else 0)
    assert sum("nft 1/2/4" in line for line in lines) == 1
    assert sum("data: simulated" in line for line in lines) == 1
    header = next(line for line in lines if line.startswith("method"))
    assert ("source" in header, "validation" in header) == (width == 300, width >= 80)


def test_a_sweep_of_nothing_has_an_empty_leaderboard(tmp_path):
    assert write(tmp_path) == []
    assert leaderboard.markdown([]) == "# Leaderboard\n"
