"""What TensorBoard makes of the files, asked through the HTTP interface of its scalars and HParams plugins."""

import json
import math
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from tensorboard.backend import application
from tensorboard.backend.event_processing import data_ingester
from tensorboard.plugins.core.core_plugin import CorePluginLoader
from tensorboard.plugins.hparams.hparams_plugin import HParamsPlugin
from tensorboard.plugins.scalar.scalars_plugin import ScalarsPlugin
from tensorboard.program import TensorBoard as Program

from pare.reporting.tensorboard import TensorBoard
from tests.reporting.fakes import DOMAINS, figures, record, run


class _Quiet(WSGIRequestHandler):
    def log_message(self, format, *args):  # noqa: A002
        pass


class _Board:
    """A TensorBoard over a directory, as its browser page sees it."""

    def __init__(self, address: str) -> None:
        self.address = f"{address}/data/plugin"

    def _ask(self, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.address}/{path}", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def experiment(self) -> Any:
        return self._ask("hparams/experiment", {"experimentName": ""})

    def sessions(self) -> dict[str, Any]:
        statuses = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]
        request = {
            "experimentName": "",
            "allowedStatuses": statuses,
            "startIndex": 0,
            "sliceSize": 100,
            "colParams": [],
        }
        return {group["name"]: group for group in self._ask("hparams/session_groups", request)["sessionGroups"]}

    def tags(self) -> dict[str, list[str]]:
        return {run: sorted(tags) for run, tags in self._ask("scalars/tags").items()}

    def scalar(self, run: str, tag: str) -> list[tuple[int, float]]:
        return [(step, value) for _, step, value in self._ask(f"scalars/scalars?{urlencode({'run': run, 'tag': tag})}")]


@contextmanager
def board(logdir: Path) -> Iterator[_Board]:
    program = Program(plugins=[CorePluginLoader(), HParamsPlugin, ScalarsPlugin])
    program.configure(logdir=str(logdir), reload_interval=0, reload_task="blocking", load_fast="false")
    ingester = data_ingester.LocalDataIngester(program.flags)
    ingester.start()
    app = application.TensorBoardWSGIApp(program.flags, program.plugin_loaders, ingester.data_provider)
    server = make_server("127.0.0.1", 0, app, handler_class=_Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield _Board(f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


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
    writer.epoch(going, figures(1, gate_mean=0.5, loss_source=math.nan))


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Board]:
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
    TensorBoard(tmp_path, {"ecg": DOMAINS["ecg"]})
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


def test_one_experiment_summary_per_task_however_often_resumed(tmp_path):
    for _ in range(3):
        TensorBoard(tmp_path, DOMAINS)
    assert [len(list((tmp_path / "tb" / task).glob("*tfevents*"))) for task in DOMAINS] == [1, 1]


def test_a_trial_that_never_began_may_still_fail(tmp_path):
    writer = TensorBoard(tmp_path, DOMAINS)
    writer.end(record(state="failed", why="no GPU"))
    with board(tmp_path / "tb") as answers:
        assert answers.sessions()["ecg/pare-0000"]["sessions"][0]["status"] == "STATUS_FAILURE"
