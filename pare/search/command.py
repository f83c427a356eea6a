"""The command behind every script in `sweeps/`: from options to a leaderboard."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import ray

from pare import tasks
from pare.config import Run
from pare.errors import RequestError
from pare.reporting.leaderboard import Leaderboard
from pare.reporting.progress import Progress
from pare.reporting.records import Observer
from pare.reporting.tables import Tables, read
from pare.reporting.tensorboard import TensorBoard
from pare.search import cluster, space, tune
from pare.search.request import Preset, PresetName, Request, parse
from pare.search.study import Study
from pare.search.sweep import Sweep, TaskPlan
from pare.search.trial import MODEL
from pare.tasks import store
from pare.tasks.task import Task


def main(name: str, description: str, presets: Mapping[PresetName, Preset], arguments: list[str] | None = None) -> int:
    """Run the sweep that the command line asks for; returns the exit code.

    0: finished. 1: something failed that should not have. 2: the request is wrong or cannot be met, said in one line.
    """
    try:
        request = parse(name, description, sys.argv[1:] if arguments is None else arguments)
        return 0 if request is None else _sweep(name, request, presets)
    except RequestError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    finally:
        ray.shutdown()
