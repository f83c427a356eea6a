"""Every body has a source that it reads and that needs no file."""

import json

import pytest

from pare import sources, tasks
from pare.method import bodies


@pytest.mark.parametrize("family", [*bodies.IMAGES, *bodies.SEQUENCES])
@pytest.mark.parametrize("usual", ["fractals", "fractal-masks", "signals", "conll2000", "text"])
def test_the_usual_source_stays_where_the_body_reads_it_and_gives_way_where_not(family, usual, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": family}))
    source = tasks.get(sources.of_body(str(tmp_path), usual))
    if family in bodies.SEQUENCES:
        assert source.text
        assert source.name == (usual if usual in ("conll2000", "text") else "text")
    else:
        assert source.shape[0] == 3
        assert source.name == (usual if usual.startswith("fractal") else "fractals")


def test_a_body_of_the_package_has_what_it_was_pretrained_on():
    assert sources.of_body("roberta-mini", "text") == "signals"
    assert sources.of_body("a/hub-name-that-is-not-here", "signals") == "signals"
