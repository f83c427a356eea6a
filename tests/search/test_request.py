from dataclasses import fields

import pytest

from pare.errors import RequestError
from pare.search.request import Request, parse


def asked(*arguments):
    return parse("nas360", "What it does.", arguments)


def test_options_by_name():
    request = asked("--tasks", "ecg", "darcy", "--trials", "3", "--gpus-per-trial", "0.5", "--out", "x")
    assert request.tasks == ("ecg", "darcy")
    assert (request.trials, request.gpus_per_trial, str(request.out)) == (3, 0.5, "x")
    assert asked() == Request()


def test_help_teaches_every_option(capsys):
    assert asked("--help") is None
    text = " ".join(capsys.readouterr().out.split())
    assert "What it does." in text
    for option in fields(Request):
        assert f"--{option.name.replace('_', '-')} " in text, option.name


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--preset", "huge"], '"huge"'),
        (["--methods", "magic"], '"magic"'),
        (["--tasks", "fractals"], "--tasks is 'fractals', which is a source: choose from "),
        (["--source", "magic"], "--source is 'magic': choose from"),
        (["--trials", "many"], '"many"'),
        (["--trials", "0"], "--trials is 0"),
        (["--epochs", "-1"], "--epochs is -1"),
        (["--seeds", "0"], "--seeds is 0"),
        (["--workers-per-trial", "0"], "--workers-per-trial is 0"),
        (["--gpus-per-trial", "1.5"], "--gpus-per-trial is 1.5"),
        (["--tasks", "ecg", "ecg"], "--tasks is ecg ecg"),
        (["--bogus", "1"], "--bogus"),
        (["stray"], "stray"),
        (["--trials"], "--trials"),
    ],
)
def test_wrong_options_are_told_in_one_line(arguments, named):
    with pytest.raises(RequestError) as error:
        asked(*arguments)
    assert named in str(error.value)
    assert "\n" not in str(error.value)


def test_data_root_falls_back_to_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("PARE_DATA", str(tmp_path))
    assert Request().root == tmp_path
    monkeypatch.delenv("PARE_DATA")
    assert str(Request().root).endswith(".cache/pare")
