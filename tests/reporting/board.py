"""A TensorBoard over a directory, asked as its page in a browser asks it."""

import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import urlencode
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from tensorboard.backend import application
from tensorboard.backend.event_processing import data_ingester
from tensorboard.plugins.core.core_plugin import CorePluginLoader
from tensorboard.plugins.hparams.hparams_plugin import HParamsPlugin
from tensorboard.plugins.image.images_plugin import ImagesPlugin
from tensorboard.plugins.scalar.scalars_plugin import ScalarsPlugin
from tensorboard.program import TensorBoard as Program


class _Server(ThreadingMixIn, WSGIServer):
    """Browsers open connections ahead of their need, and would keep a server of one thread waiting."""

    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format, *args):  # noqa: A002
        pass


class Board:
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
            "sliceSize": 10_000,
            "colParams": [],
        }
        return {group["name"]: group for group in self._ask("hparams/session_groups", request)["sessionGroups"]}

    def tags(self) -> dict[str, list[str]]:
        return {run: sorted(tags) for run, tags in self._ask("scalars/tags").items()}

    def scalar(self, run: str, tag: str) -> list[tuple[int, float]]:
        return [(step, value) for _, step, value in self._ask(f"scalars/scalars?{urlencode({'run': run, 'tag': tag})}")]

    def images(self, run: str, tag: str) -> list[tuple[int, bytes]]:
        """(step, PNG file) of an image, of which every step holds one."""
        found = self._ask(f"images/images?{urlencode({'run': run, 'tag': tag, 'sample': 0})}")
        files = [f"{self.address}/images/individualImage?{each['query']}" for each in found]
        contents = [urllib.request.urlopen(file, timeout=10).read() for file in files]
        return [(each["step"], content) for each, content in zip(found, contents, strict=True)]

    def image_tags(self) -> dict[str, list[str]]:
        return {run: sorted(tags) for run, tags in self._ask("images/tags").items()}


@contextmanager
def board(logdir: Path, pages: bool = False) -> Iterator[Board]:
    """TensorBoard over a directory, without its pages unless a browser is to see them."""
    plugins = [CorePluginLoader(), HParamsPlugin, ImagesPlugin, ScalarsPlugin]
    program = Program(plugins=None if pages else plugins)
    program.configure(logdir=str(logdir), reload_interval=0, reload_task="blocking", load_fast="false")
    ingester = data_ingester.LocalDataIngester(program.flags)
    ingester.start()
    app = application.TensorBoardWSGIApp(
        program.flags, program.plugin_loaders, ingester.data_provider, program.assets_zip_provider if pages else None
    )
    server = make_server("127.0.0.1", 0, app, _Server, _Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Board(f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
