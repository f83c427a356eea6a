"""TensorBoard reads the files: asked through the HTTP interface of its scalars and HParams plugins."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pare.reporting.tensorboard.images import Picture
from pare.reporting.tensorboard.writer import TensorBoard
from tests.reporting.board import Board, board
from tests.reporting.fakes import DOMAINS, arrays, figures, record, run


def sweep(out: Path) -> None:
    writer = TensorBoard(out, DOMAINS)
    run(writer, record(), metric=0.5)
    run(writer, record("pare-0001", why="NaN"), state="failed")
    run(
        writer,
        record("nft-0002", method="nft", searched={"optimizer.lr.body": 3e-4, "mix_weight": None}),
        state="pruned",
    )
    run(writer, record("confirm-pare-0", purpose="confirm", test=0.4))
    run(writer, record("pare-0000", task="darcy", searched={"mix_weight": 0.5}))
    going = record("pare-0003")
    writer.begin(going)
    writer.epoch(going, figures(1, gate_mean=0.5, loss_source=math.nan) | arrays("ecg"))
    writer.flush()


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    out = tmp_path_factory.mktemp("sweep")
    sweep(out)
    with board(out / "tb") as answers:
        yield answers


def test_hparams_shows_every_search_trial_with_its_status(swept):
    status = {name: group["sessions"][0].get("status") for name, group in swept.sessions().items()}
    assert status == {
        "ecg/pare-0000": "STATUS_SUCCESS",
        "ecg/pare-0001": "STATUS_FAILURE",
        "ecg/nft-0002": "STATUS_SUCCESS",
        "ecg/pare-0003": "STATUS_UNKNOWN",
        "darcy/pare-0000": "STATUS_SUCCESS",
    }
    assert all(len(group["sessions"]) == 1 for group in swept.sessions().values())


def test_hparams_shows_the_values_searched_and_no_nulls(swept):
    sessions = swept.sessions()
    common = {"optimizer.lr.body": 1e-4, "curriculum.family": "linear"}
    assert sessions["ecg/pare-0003"]["hparams"] == common | {"method": "pare", "seed": 0.0}
    assert sessions["ecg/nft-0002"]["hparams"] == {"optimizer.lr.body": 3e-4, "method": "nft", "seed": 0.0}


def test_hparams_lists_the_hyperparameters_of_all_tasks_with_their_domains(swept):
    infos = {info["name"]: info for info in swept.experiment()["hparamInfos"]}
    assert set(infos) == {"method", "seed", "optimizer.lr.body", "curriculum.family", "mix_weight"}
    assert infos["optimizer.lr.body"]["domainInterval"] == {"minValue": 1e-5, "maxValue": 1e-2}
    assert infos["curriculum.family"]["domainDiscrete"] == ["cosine", "linear"]
    assert infos["method"]["type"] == "DATA_TYPE_STRING"


def test_hparams_metrics_are_there_with_their_direction(swept):
    metrics = {info["name"]["tag"]: info for info in swept.experiment()["metricInfos"]}
    assert "ecg: 1 - macro-F1, lower is better" in metrics["validation/best"]["description"]
    assert "darcy: relative L2, lower is better" in metrics["validation/best"]["description"]
    assert metrics["loss/train"]["datasetType"] == "DATASET_TRAINING"
    session = swept.sessions()["ecg/pare-0000"]["sessions"][0]
    assert {value["name"]["tag"] for value in session["metricValues"]} == set(metrics)
    assert {value["trainingStep"] for value in session["metricValues"]} == {2}


def test_a_single_task_names_its_metric(tmp_path):
    sweep(tmp_path)
    TensorBoard(tmp_path, dict([next(iter(DOMAINS.items()))]))
    with board(tmp_path / "tb" / "ecg") as answers:
        assert answers.experiment()["metricInfos"][0]["displayName"] == "1 - macro-F1 (validation/best)"
        assert len(answers.sessions()) == 4


def test_scalars_have_the_same_few_names_in_every_trial(swept):
    tags = swept.tags()
    assert set(tags) == {f"ecg/{t}" for t in ("pare-0000", "pare-0001", "nft-0002", "confirm-pare-0", "pare-0003")} | {
        "darcy/pare-0000"
    }
    assert tags["ecg/nft-0002"] == tags["darcy/pare-0000"]
    assert set(tags["ecg/pare-0003"]) - set(tags["ecg/nft-0002"]) == {"gate/mean"}
    assert set(tags["ecg/confirm-pare-0"]) - set(tags["ecg/nft-0002"]) == {"test/metric"}
    assert swept.scalar("ecg/pare-0000", "validation/metric") == [(1, 0.5), (2, 0.5)]
    assert swept.scalar("ecg/confirm-pare-0", "test/metric") == [(2, pytest.approx(0.4))]


def test_every_trial_that_reported_has_every_metric_also_while_it_runs(swept):
    metrics = {info["name"]["tag"] for info in swept.experiment()["metricInfos"]}
    for name, group in swept.sessions().items():
        own = {value["name"]["tag"] for value in group["sessions"][0]["metricValues"]}
        assert own == metrics, name


def test_the_tab_begins_with_the_hyperparameters_that_all_methods_have(swept):
    names = [info["name"] for info in swept.experiment()["hparamInfos"]]
    assert names == ["method", "optimizer.lr.body", "curriculum.family", "mix_weight", "seed"]


def test_methods_can_be_told_apart_by_a_filter(swept):
    method = {"hparam": "method", "filterDiscrete": ["nft"]}
    request = {"experimentName": "", "startIndex": 0, "sliceSize": 9, "allowedStatuses": ["STATUS_SUCCESS"]}
    answer = swept._ask("hparams/session_groups", request | {"colParams": [method]})
    assert [group["name"] for group in answer["sessionGroups"]] == ["ecg/nft-0002"]


def test_curves_by_samples_have_samples_for_steps(swept):
    assert swept.scalar("ecg/pare-0000", "validation/metric_by_samples") == [(100, 0.5), (200, 0.5)]
    assert [step for step, _ in swept.scalar("ecg/nft-0002", "loss/train_by_samples")] == [100, 200]


def test_pictures_are_png_files_at_their_epoch(swept):
    tags = {"pictures/confusion", "pictures/gate", "pictures/intermediate_modality"}
    assert set(swept.image_tags()["ecg/pare-0003"]) == tags
    ((step, content),) = swept.images("ecg/pare-0003", "pictures/gate")
    assert step == 1
    assert content.startswith(b"\x89PNG")


def test_going_on_keeps_curves_by_samples_and_the_pictures_of_a_repeated_report(tmp_path):
    first, one = TensorBoard(tmp_path, DOMAINS), record()
    first.begin(one)
    for epoch in (1, 2, 3):
        first.epoch(one, figures(epoch, 1 / epoch) | (arrays("ecg") if epoch in (1, 3) else {}))
    first.flush()
    for _ in range(2):  # a second time, so that what was copied is copied again
        again = TensorBoard(tmp_path, DOMAINS)
        again.begin(one)
        again.epoch(one, figures(3, 1 / 3))
    again.epoch(one, figures(4, 0.25))
    with board(tmp_path / "tb") as answers:
        curve = answers.scalar("ecg/pare-0000", "validation/metric_by_samples")
        assert curve == [(100 * epoch, pytest.approx(1 / epoch)) for epoch in (1, 2, 3, 4)]
        assert [step for step, _ in answers.images("ecg/pare-0000", "pictures/gate")] == [1, 3]


def test_a_confirmation_that_goes_on_from_its_race_begins_with_its_epochs(tmp_path, caplog):
    writer, raced = TensorBoard(tmp_path, DOMAINS), record("race-pare-0000-1", purpose="race")
    writer.begin(raced)
    for epoch in (1, 2):
        writer.epoch(raced, figures(epoch, 1 / epoch) | arrays("ecg"))
    writer.end(raced)
    one = record("confirm-pare-1", purpose="confirm", test=0.4, continues=raced.trial)
    writer.begin(one)
    writer.epoch(one, figures(2, 0.5))
    writer.end(one)
    caplog.clear()
    with board(tmp_path / "tb") as answers:
        assert not caplog.records
        assert answers.scalar("ecg/confirm-pare-1", "validation/metric") == [(1, 1.0), (2, 0.5)]
        assert [step for step, _ in answers.images("ecg/confirm-pare-1", "pictures/gate")] == [1, 2]
        assert answers.scalar("ecg/race-pare-0000-1", "validation/metric") == [(1, 1.0), (2, 0.5)]


def test_a_trial_that_begins_again_goes_on_from_its_epoch_and_may_end_otherwise(tmp_path):
    run(TensorBoard(tmp_path, DOMAINS), record(), epochs=4, metric=0.5, state="failed")
    again, one = TensorBoard(tmp_path, DOMAINS), record()
    again.begin(one)
    with board(tmp_path / "tb") as answers:
        assert answers.sessions()["ecg/pare-0000"]["sessions"][0]["status"] == "STATUS_UNKNOWN"
    again.epoch(one, figures(3, 0.25))
    again.end(one)
    with board(tmp_path / "tb") as answers:
        assert answers.scalar("ecg/pare-0000", "validation/metric") == [(1, 0.5), (2, 0.5), (3, 0.25)]
        assert answers.sessions()["ecg/pare-0000"]["sessions"][0]["status"] == "STATUS_SUCCESS"


def test_a_picture_that_cannot_be_drawn_is_told(tmp_path):
    writer, one = TensorBoard(tmp_path, DOMAINS), record()
    writer.begin(one)
    writer.epoch(one, figures(1) | arrays("ecg") | {"pictures/confusion": np.zeros(3)})
    with pytest.raises(ValueError):
        writer.flush()


def test_one_experiment_summary_per_task_however_often_resumed(tmp_path):
    for _ in range(3):
        TensorBoard(tmp_path, DOMAINS)
    assert [len(list((tmp_path / "tb" / task.name).glob("*tfevents*"))) for task in DOMAINS] == [1, 1]


def test_a_trial_that_never_began_may_still_fail(tmp_path):
    writer = TensorBoard(tmp_path, DOMAINS)
    writer.end(record(state="failed", why="no GPU"))
    with board(tmp_path / "tb") as answers:
        assert answers.sessions()["ecg/pare-0000"]["sessions"][0]["status"] == "STATUS_FAILURE"


def test_a_run_that_has_ended_is_one_file(tmp_path, caplog):
    run(TensorBoard(tmp_path, DOMAINS), record(), epochs=4, metric=0.5, state="failed")
    again, one = TensorBoard(tmp_path, DOMAINS), record()
    again.begin(one)
    again.epoch(one, figures(3, 0.25))
    again.end(one)
    assert len(list((tmp_path / "tb" / "ecg" / "pare-0000").iterdir())) == 1
    caplog.clear()
    with board(tmp_path / "tb") as answers:
        assert not caplog.records, "TensorBoard has nothing to leave out, of which it would warn"
        assert answers.scalar("ecg/pare-0000", "validation/metric") == [(1, 0.5), (2, 0.5), (3, 0.25)]
        assert answers.sessions()["ecg/pare-0000"]["sessions"][0]["status"] == "STATUS_SUCCESS"


def test_an_end_of_an_earlier_version_is_taken_back_too(tmp_path):
    run(TensorBoard(tmp_path, DOMAINS), record())
    (file,) = (tmp_path / "tb" / "ecg" / "pare-0000").iterdir()
    file.rename(f"{file}.end")
    writer = TensorBoard(tmp_path, DOMAINS)
    writer.begin(record())
    with board(tmp_path / "tb") as answers:
        assert answers.sessions()["ecg/pare-0000"]["sessions"][0]["status"] == "STATUS_UNKNOWN"


def test_a_bounded_number_of_runs_has_pictures_the_best_among_them(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "pare.reporting.tensorboard.images.draw", lambda *_: {"pictures/gate": Picture(b"PNG", 1, 1, "")}
    )
    monkeypatch.setattr("pare.reporting.tensorboard.writer._LATER", 0.0)
    writer, objective = TensorBoard(tmp_path, DOMAINS), {20: 0.4, 50: 0.45, 70: 0.3}
    for number in range(90):
        one = record(f"pare-{number:04d}")
        writer.begin(one)
        one.epochs, one.objective = 1, objective.get(number, 0.5)
        writer.epoch(one, figures(1, one.objective) | arrays("ecg"))
        writer.end(one)
    confirmed = record("confirm-pare-1", purpose="confirm")
    writer.begin(confirmed)
    writer.epoch(confirmed, figures(1) | arrays("ecg"))
    writer.flush()
    with board(tmp_path / "tb") as answers:
        pictured = set(answers.image_tags())
    names = {f"ecg/pare-{number:04d}" for number in (*range(16), 16, 20, 32, 64, 70)}
    assert pictured == names | {"ecg/confirm-pare-1"}
