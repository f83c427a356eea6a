"""The step bench runs, on a body that takes no time."""

import json
import sys

import pytest
from transformers import RobertaConfig

from pare.method import catalogue
from tests.bench import step


def test_a_row_for_each_mode_kind_and_batch(monkeypatch, tmp_path, capsys):
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    monkeypatch.setitem(step.CONFIGS, "tiny", RobertaConfig(**step.ROBERTA, **sizes))
    monkeypatch.setattr(catalogue, "SMALL", dict(catalogue.SMALL))
    out = tmp_path / "rows.json"
    options = ["--bodies", "tiny", "--batches", "2", "3", "--modes", "plain", "eager", "--budget", "0.01"]
    monkeypatch.setattr(sys, "argv", ["step", *options, "--json", str(out)])
    step.main()
    rows = json.loads(out.read_text())
    assert [(r["mode"], r["kind"], r["batch"]) for r in rows if "failed" not in r] == [
        (mode, kind, batch)
        for kind, mode in (("nft", "eager"), ("pare", "eager"), ("transformers", "plain"))
        for batch in (2, 3)
    ]
    assert all(r["per_second"] == pytest.approx(r["batch"] / r["seconds"]) for r in rows)
    assert rows[2]["flops"] > rows[0]["flops"] == rows[4]["flops"] > 0
    assert "x nft" in capsys.readouterr().out
