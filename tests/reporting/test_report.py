"""The page of a sweep: its figures are those of the tables, it needs no network, and it is whole at any moment."""

import json
import re
from pathlib import Path

import pytest

from pare import tasks
from pare.data.baselines import Score
from pare.errors import DataError
from pare.method.catalogue import METHODS
from pare.reporting import baselines, comparison, leaderboard, report, tables
from pare.reporting.charts import COLOURS
from pare.reporting.entries import Entry
from pare.reporting.report import Context, Importance, render, write
from pare.reporting.tables import Tables, read
from tests.reporting.fakes import figures, many, record, run, sweep

IMPORTANCE = {"ecg": Importance({"optimizer.lr.body": 0.7, "gate.threshold": 0.3}, "fANOVA over 6 trials")}


def finished(out: Path) -> str:
    sweep(tables := Tables(out))
    tables.close()
    for task, scores in {"ecg": (0.9, 0.95), "darcy": (0.24, 0.25)}.items():
        baselines.write(out, task, tasks.get(task).metric, [Score("constant", *scores)])
    leaderboard.write(out)
    return render(out, Context("python sweeps/nas360.py --tasks ecg darcy", 0, IMPORTANCE))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    out = tmp_path_factory.mktemp("sweep")
    return out, finished(out)


def charts(html):
    content = re.search(r'<script type="application/json" id="charts">(.*?)</script>', html, re.DOTALL)
    assert content
    return json.loads(content[1])


def words(html):
    """Return the page's visible text, without scripts."""
    return re.sub(r"\s+", " ", re.sub(r"<(script|style)>?.*?</\1>|<[^>]+>", " ", html, flags=re.DOTALL))


@pytest.mark.parametrize("task", ["ecg", "darcy"])
def test_charts_hold_the_figures_of_the_tables(page, task):
    out, html = page
    study, drawn = read(out), charts(html)
    trials = study.trials[study.trials.task == task].sort_values("started")
    shown = {}
    for trace in drawn[f"{task}-history"]["data"]:
        if trace["mode"] == "markers":
            shown |= dict(zip([text.split(":")[0] for text in trace["text"]], trace["y"], strict=True))
    assert shown == dict(zip(trials.trial, trials.objective, strict=True))
    for trace in drawn[f"{task}-curves"]["data"]:
        own = study.curves[(study.curves.task == task) & (study.curves.trial == trace["name"])]
        assert (trace["x"], trace["y"]) == (list(own.epoch), list(own.val_metric))
    confirmed = study.confirm[(study.confirm.task == task) & study.confirm.test.notna()]
    tests = [value for trace in drawn[f"{task}-confirmation"]["data"][::2] for value in trace["x"]]
    assert sorted(tests) == sorted(confirmed.test)


def test_the_leaderboard_is_that_of_its_own_file(page):
    out, html = page
    for row in tables.read_rows(out / "leaderboard.parquet"):
        texts = report._columns(leaderboard.texts(Entry(**row)))
        assert {"method", "test ± spread (n)", "validation", "published", "comparable"} <= set(texts)
        assert " ".join(texts.values()) in words(html)


def test_every_method_has_a_colour_of_its_own_and_is_explained(page):
    _, html = page
    assert set(COLOURS) == set(METHODS)
    assert len(set(COLOURS.values())) == len(METHODS)
    assert all(METHODS[name].title in html for name in ("pare", "nft"))


def test_the_best_so_far_never_worsens_and_counts_complete_trials_only(page):
    out, html = page
    trials = read(out).trials
    ecg = trials[(trials.task == "ecg") & (trials.state == "complete")]
    (line,) = [trace for trace in charts(html)["ecg-history"]["data"] if trace["mode"] == "lines"]
    assert line["y"] == sorted(line["y"], reverse=True)
    assert line["y"][-1] == ecg.objective.min()


def test_importance_is_drawn_as_given_and_missing_is_said(page):
    _, html = page
    (bars,) = charts(html)["ecg-importance"]["data"]
    assert dict(zip(bars["y"], bars["x"], strict=True)) == IMPORTANCE["ecg"].shares
    assert "darcy-importance" not in charts(html)
    assert "fANOVA over 6 trials" in html
    assert "Too few comparable trials yet." in html


def test_differences_are_those_of_the_leaderboard_in_words(page, tmp_path):
    out, html = page
    (row,) = [
        row for row in tables.read_rows(out / "leaderboard.parquet") if (row["task"], row["method"]) == ("ecg", "pare")
    ]
    shown = f"{row['difference']:.4g} {row['difference_low']:.4g} … {row['difference_high']:.4g}"
    assert f"pare − nft 3 {shown} cannot be told apart" in words(html)
    writer = Tables(tmp_path)
    for method, start in (("pare", 0.3), ("nft", 0.4)):
        run(writer, record(f"{method}-0000", method=method))
        for seed in (1, 2, 3):
            test = start + seed / 1000 * (1 if method == "pare" else 1.1)
            run(writer, record(f"confirm-{method}-{seed}", method=method, purpose="confirm", seed=seed, test=test))
    assert "pare is better" in words(render(tmp_path, Context("")))


def test_what_to_conclude_stands_first(page):
    """The sentences are those of leaderboard.md, of which a test of the comparison checks each."""
    out, html = page
    for task, sentences in comparison.conclusions(out).items():
        assert " ".join(sentences) in (out / "leaderboard.md").read_text()
        for sentence in sentences:
            assert sentence in words(html).replace("&#39;", "'")
        assert words(html).index(sentences[0]) < words(html).index("test ± spread (n)", words(html).index(f"({task})"))
    assert "pare and nft cannot be told apart on 3 seeds" in words(html)


def test_every_section_budget_command_and_versions_are_there(page):
    out, _ = page
    (out / "spent.json").write_text(json.dumps({"hours": 1.5, "gpu_hours": 0.25, "usd": 3.0}))
    versions = {"python": "3.11", "ray": "2.60.0"}
    machine = {"system": "Linux", "resources": {"CPU": 2.0}}
    record = {"script": "nas360", "preset": "laptop", "seed": 0, "versions": versions, "commit": None}
    (out / "sweep.json").write_text(json.dumps({**record, "machine": machine}))
    html = render(out, Context("python sweeps/nas360.py", 0, IMPORTANCE))
    for title in (
        "Leaderboard",
        "Against naive fine-tuning",
        "Optimisation history",
        "Curves of the best trials",
        "Hyperparameter importance",
        "Budget spent",
        "Command and versions",
    ):
        assert f"{title}</h" in html
    text = words(html)
    assert "python sweeps/nas360.py" in text
    assert "1.500 hours by the clock, 0.250 GPU-hours, 3.00 dollars" in text
    assert "ray 2.60.0" in text
    assert "simulated data: a stand-in of the same shape" in text


def test_nothing_is_fetched_and_the_file_stays_small(page):
    out, _ = page
    path = write(out, Context("python sweeps/nas360.py"))
    html = path.read_text()
    assert path.stat().st_size < 6_000_000
    tags = re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL)
    assert not re.search(r'(src|href)="(?!#|data:)', tags)
    assert "url(" not in tags
    assert not list(out.glob(".report*"))


def test_a_page_in_mid_sweep_comes_again_by_itself(tmp_path):
    writer = Tables(tmp_path)
    going = record()
    writer.begin(going)
    html = render(tmp_path, Context("python sweeps/nas360.py", 4))
    assert '<meta http-equiv="refresh"' in html
    assert "4 search trials still to end" in html
    run(writer, record("pare-0001"), state="pruned")
    going.epochs, going.objective = 1, 0.4
    writer.epoch(going, figures(1, 0.4))
    assert "ecg-curves" in charts(render(tmp_path, Context("python sweeps/nas360.py", 3)))


def test_a_sweep_that_has_not_begun_has_a_page(tmp_path):
    assert "Budget spent" in render(tmp_path, Context("python sweeps/nas360.py", 8))


def test_text_from_outside_cannot_become_markup(page):
    out, _ = page
    html = render(out, Context("python sweeps/x.py --out '</pre><script>alert(1)</script>'"))
    assert "<script>alert(1)" not in html


def test_a_damaged_table_is_named_and_the_old_page_stays(tmp_path):
    finished(tmp_path)
    path = write(tmp_path, Context("python sweeps/nas360.py"))
    before = path.read_bytes()
    (tmp_path / "ecg" / "trials.parquet").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"trials\.parquet is damaged"):
        write(tmp_path, Context("python sweeps/nas360.py"))
    assert path.read_bytes() == before


def test_a_page_of_ten_thousand_trials_stays_small_and_says_what_it_leaves_out(tmp_path):
    many(tmp_path, 10_000)
    html = render(tmp_path, Context("python sweeps/nas360.py"))
    assert len(html) < 10_000_000
    assert "Of 10,000 trials, those that were the best so far and an even sample" in words(html)
    drawn, trials = charts(html)["ecg-history"]["data"], read(tmp_path).trials
    points = {text.split(":")[0]: value for text, value in zip(drawn[0]["text"], drawn[0]["y"], strict=True)}
    assert 2_000 <= len(points) <= 2_300
    complete = trials[trials.state == "complete"].set_index("trial").objective
    assert set(complete.index[complete == complete.cummin()]) <= set(points)
    assert drawn[1]["y"][-1] == complete.min()
    assert drawn[1]["x"][-1] == 10_000
