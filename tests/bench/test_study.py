"""The study's arithmetic: which runs, for how long, and what their paired differences say."""

import json

import numpy as np
import pytest
from PIL import Image

from pare.config import Run
from pare.data.task import Split
from tests.bench.study import __main__ as study
from tests.bench.study import figures, plan, reality, samples, table
from tests.bench.study import settings as study_settings
from tests.bench.study.arms import ARMS, BASELINE, REFERENCE
from tests.bench.study.settings import SETTINGS, settings
from tests.bench.study.worker import Job, run_of

RUN = Run(task="ecg", data="d", body="b", source="s", source_data="sd")


def line(arm, seed, test, **more):
    own = {"task": "ecg", "arm": arm, "seed": seed, "test": test, "test_loss": 2 * test, "epochs": 12, "seconds": 10.0}
    return own | {"device": "cpu", "metric": "1 - macro-F1", "labels": 9, "scored": 99} | more


@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_is_a_run(arm):
    run = RUN.replace({**ARMS[arm].settings, "method": ARMS[arm].method})
    assert run.method == ARMS[arm].method
    assert BASELINE.get(arm, "nft") in ARMS


@pytest.mark.parametrize("name", SETTINGS)
def test_every_task_has_settings_of_a_run(name):
    own = settings(name)
    assert RUN.replace({key: value for key, value in own.items() if key not in ("body", "source")}).epochs > 1


def test_a_stage_is_seed_by_seed_and_leaves_out_what_changes_nothing():
    jobs = plan.parse_stage("ecg,digits/nft,nft+stem,nft+decay/100-101")
    assert [(job.task, job.arm, job.seed) for job in jobs[:4]] == [
        ("ecg", "nft", 100),
        ("ecg", "nft+decay", 100),
        ("digits", "nft", 100),
        ("digits", "nft+stem", 100),
    ]
    assert len(jobs) == 8
    for wrong in ("ecg/nft", "ecg/nothing/1-2", "moon/nft/1"):
        with pytest.raises(SystemExit):
            plan.parse_stage(wrong)


def test_equal_time_is_measured_on_the_kind_of_device_and_on_the_same_seeds():
    own = settings("ecg")["epochs"]
    assert plan.equal_time_epochs("ecg", []) == 2 * own
    lines = [line("nft", 1, 0.1, seconds=10), line(REFERENCE, 1, 0.1, seconds=17), line("nft", 3, 0.1, seconds=99)]
    lines += [line("nft", 2, 0.1, seconds=2, device="cuda"), line(REFERENCE, 2, 0.1, seconds=5, device="cuda")]
    assert plan.equal_time_epochs("ecg", lines) == round(own * 1.7)
    assert plan.equal_time_epochs("ecg", lines, "cuda") == round(own * 2.5)


def carry_out(searches, seconds):
    """What a plan of searches does with one process after another, in which a trial's validation is its number."""
    lines, jobs = [], []
    while (job := searches.next(lines, [], "cpu")) is not None:
        jobs.append(job)
        lines.append({**vars(job), "wall": seconds[job.arm], "val": abs(job.trial - 1), "val_curve": [0.0]})
    return lines, jobs


def test_every_method_searches_for_as_many_seconds_and_its_best_meets_the_fresh_seeds():
    seconds = {"nft": 10.0, "pare": 19.0, "fpt": 5.0, "orca": 70.0}
    searches = plan.Searches(["digits@60", "ecg@60"], [*seconds], runs=4, search_seed=300, seeds=range(400, 402))
    lines, jobs = carry_out(searches, seconds)
    trials = {arm: sum(job.arm == arm and not job.final for job in jobs if job.task == "ecg@60") for arm in seconds}
    assert trials == {"nft": 4, "pare": 2, "fpt": 8, "orca": 1}
    final = [(job.arm, job.seed, job.trial) for job in jobs if job.final and job.task == "ecg@60"]
    assert sorted(final) == sorted((arm, seed, 0 if arm == "orca" else 1) for arm in seconds for seed in (400, 401))
    assert [job.task for job in jobs] == sorted((job.task for job in jobs), key=["digits@60", "ecg@60"].index)
    assert {job.seed for job in jobs if not job.final} == {300}
    assert searches.next(lines[:-1], [], "cpu") == jobs[-1]
    assert searches.next(lines[:-1], jobs[-1:], "cpu") is None
    failing = [{**lines[0], "error": "TrainingError: the loss became nan", "refused": True}]
    assert searches.next(failing, [], "cpu").arm != lines[0]["arm"]
    searches.again(jobs[-1])
    assert searches.next(lines[:-1], [], "cpu") == jobs[-1]
    searches.again(jobs[-1])
    assert searches.next(lines[:-1], [], "cpu") is None


def test_a_search_begins_with_the_priors_of_the_package():
    first, second, third = (run_of(Job("ecg@60", "pare", 300, trial=trial, final=False)) for trial in range(3))
    assert first.curriculum.start == pytest.approx(settings("ecg")["curriculum.start"])
    assert (second.curriculum.family, second.mix_weight) == ("constant", 1.0)
    assert (third.optimizer.lr.body, third.curriculum.start) != (first.optimizer.lr.body, first.curriculum.start)
    assert first.epochs == third.epochs == settings("ecg@60")["epochs"]
    assert third == run_of(Job("ecg@60", "pare", 300, trial=2, final=False))


def test_a_paired_difference_has_students_interval():
    lines = [line("nft", seed, value) for seed, value in enumerate((0.5, 0.6, 0.7, 0.4))]
    lines += [line("pare", seed, value) for seed, value in enumerate((0.4, 0.5, 0.5))]
    found = table.paired(lines, "ecg", "pare", "nft")
    differences = np.array([-0.1, -0.1, -0.2])
    assert found.mean == pytest.approx(differences.mean())
    assert found.half == pytest.approx(4.302653 * differences.std(ddof=1) / 3**0.5, rel=1e-6)
    assert (found.seeds, found.better) == (3, 3)
    assert found.verdict == "no difference shown"
    assert table.paired(lines[:5], "ecg", "pare", "nft") is None


def test_what_is_shown_comes_from_runs_that_ended(tmp_path):
    path = tmp_path / "results.jsonl"
    lines = [line("nft", seed, 0.5 + seed / 100) for seed in range(4)]
    lines += [line("pare", seed, 0.4 + seed / 100, loss_source=4.5, source_accuracy=0.02) for seed in range(4)]
    lines += [{"task": "ecg", "arm": "cutmix", "seed": 1, "error": "lost"}]
    path.write_text("\n".join(map(json.dumps, lines)) + '\n{"task": "ecg", "arm": "pa', encoding="utf-8")
    read = study.read(path)
    assert len(read) == 9
    shown = table.markdown(read)
    assert "| pare | 4 | 0.415 | -0.1 ± " in shown
    assert "cutmix" not in shown
    figures.arms(read, tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as image:
        assert len(image.convert("RGB").getcolors(10**6)) > 3


def test_the_map_has_a_line_a_task_over_its_budgets(tmp_path):
    lines = [
        line(arm, seed, value + seed / 100, task=f"{task}@{labels}", labels=labels)
        for task in ("crop", "ecg")
        for labels in (60, 240)
        for arm, value in ((REFERENCE, 0.4), ("nft-equal-time", 0.5), ("half-cutmix", 0.45))
        for seed in range(3)
    ]
    figures.label_map(lines, tmp_path / "map.svg")
    drawn = (tmp_path / "map.svg").read_text(encoding="utf-8")
    assert drawn.count("<!-- crop (real) -->") == drawn.count("<!-- ecg (simulated) -->") == 1
    assert "<!-- digits" not in drawn
    shown = table.label_map([{**one, "arm": "nft"} for one in lines if one["arm"] == "half-cutmix"] + lines)
    assert "| crop, 60 (real, 1 - macro-F1) | 3 | 0.46 | -0.05 ± 0 (3/3) | -0.1 ± " in shown


def test_a_budget_of_labels_keeps_every_class_and_the_number_of_updates():
    x, y = np.zeros((300, 1, 8), np.float32), np.array([0] * 280 + [1] * 19 + [2])
    rows = samples.draw(Split(x, y, np.zeros(300)), 40, np.random.default_rng(3), dense=False)
    assert len(rows) == 40
    assert list(rows) == sorted(set(rows))
    assert set(y[rows]) == {0, 1, 2}
    for labels in (60, 240, 960):
        own = settings(f"crop@{labels}")
        updates = own["epochs"] * -(-labels // own["optimizer.batch"])
        assert 0.75 * study_settings.UPDATES <= updates <= 1.25 * study_settings.UPDATES


def test_reality_shows_each_method_beside_nft_and_the_baselines():
    lines = [
        line(arm, seed, value + seed / 1000, task="elpv-dinov2@140", trial=1, final=True, labels=140)
        for arm, value in (("nft", 0.4), ("pare", 0.3), ("logistic", 0.2))
        for seed in (400, 401, 402)
    ]
    lines += [line("pare", 300, 0.1, task="elpv-dinov2@140", trial=k, final=False, wall=4.0) for k in range(3)]
    shown = reality.markdown(lines)
    assert "| elpv-dinov2, 140 labels (real, 1 - macro-F1, 99 scored) | 0.801 (3 seeds) | 0.701 (-0.1 ± " in shown
    assert shown.count("**↓**") == 2
    assert "| 3, no. 2, 12 s |" in shown
