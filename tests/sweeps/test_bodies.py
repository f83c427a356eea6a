"""Bodies from folders through `own`: a small random one, and real ones where PARE_REAL says that they are."""

import copy
import os
from pathlib import Path

import numpy as np
import pytest
import transformers

import pare
from pare import tasks
from pare.commands import own
from pare.reporting import read
from pare.search.command import main
from tests.method.bodies.small import CONFIGS

REAL = Path(os.environ.get("PARE_REAL", "/nowhere")) / "bodies"


def real(name):
    return pytest.mark.skipif(not (REAL / name).is_dir(), reason=f"PARE_REAL names no folder with bodies/{name} in it")


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch):
    monkeypatch.setattr(tasks, "_own", [])


def swept(body, x, root, tmp_path, *settings):
    """Sweep two classes of samples, which differ, and let the best model predict."""
    y = np.arange(len(x)) % 2
    x[y == 1] += 0.5
    np.savez(tmp_path / "data.npz", x=x, y=y)
    options = ["--data", tmp_path / "data.npz", "--data-root", root, "--out", tmp_path / "out", "--body", body]
    options += ["--set", "num_hidden_layers=2", *settings]
    small = ["--preset", "laptop", "--trials", "1", "--epochs", "1", "--seeds", "1", "--executor", "inline"]
    assert main("own", own.__doc__, own.PRESETS, [*map(str, options), *small, "--methods", "pare"], kind=own.Own) == 0
    assert (read(tmp_path / "out").trials.body == "pretrained").all()
    model = pare.load(tmp_path / "out" / "own" / "best")
    assert len(model.model.body.layers) == 2
    probabilities = model.predict(x[:3])
    assert probabilities.shape == (3, 2)
    assert np.allclose(probabilities.sum(1), 1, atol=1e-5)
    return model


def images(size, count=40):
    return np.random.default_rng(0).uniform(0, 0.5, (count, size, size)).astype(np.float32)


def test_a_body_from_a_folder_is_swept_and_predicts(root, tmp_path):
    config = copy.deepcopy(CONFIGS["dinov2"])
    transformers.Dinov2Model(config).save_pretrained(tmp_path / "body")
    model = swept(tmp_path / "body", images(12), root, tmp_path, "image_size=56")
    assert model.run.source == "fractals"
    assert model.model.body.size == (56, 56)
    assert model.run.optimizer.lr.body <= 1e-3, "searched around the published rate"


@real("dinov2-small")
def test_dinov2_is_swept_on_images_and_predicts(root, tmp_path):
    model = swept(REAL / "dinov2-small", images(28), root, tmp_path, "image_size=56")
    assert model.model.body.grid == (4, 4)


@real("all-MiniLM-L6-v2")
def test_minilm_is_swept_on_sequences_and_predicts(root, tmp_path):
    x = np.random.default_rng(0).normal(size=(40, 96)).astype(np.float32)
    model = swept(REAL / "all-MiniLM-L6-v2", x, root, tmp_path)
    assert model.run.source == "text"
