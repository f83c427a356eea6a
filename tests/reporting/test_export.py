import json

import numpy as np
import pytest
import torch

import pare
from pare import tasks
from pare.config import Run
from pare.errors import DataError, RequestError
from pare.method import body as bodies
from pare.method.model import CrossModalModel
from pare.reporting.export import TrainedModel, save

FACTS = {
    "provenance": "simulated",
    "validation": 0.4,
    "test": 0.41,
    "seeds": [0, 1],
    "gpu_hours": 1.5,
}
RUNS = {
    "ecg": Run(task="ecg", data="d", body="roberta-mini", source="signals", source_data="s", patch=20),
    "darcy": Run(task="darcy", data="d", body="swin-mini", source="fractals", source_data="s", precision="bf16"),
}


def raw(task: str, count: int = 3) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, 1000) if task == "ecg" else (count, 85, 85))


def model(task: str) -> CrossModalModel:
    """An untrained model with statistics as the task's data would have them."""
    rng = np.random.default_rng(1)
    target, run = tasks.get(task), RUNS[task]
    shapes = {"input_mean": target.shape, "input_std": target.shape, "output_mean": target.output_shape}
    statistics = {name: rng.uniform(1, 2, shape) for name, shape in shapes.items()} if task == "darcy" else {}
    torch.manual_seed(0)
    return CrossModalModel(target, bodies.load(run.body), run.patch, statistics).eval()


@pytest.fixture
def folder(tmp_path):
    save(model("ecg"), tasks.get("ecg"), RUNS["ecg"], tmp_path / "best", FACTS)
    return tmp_path / "best"


@pytest.mark.parametrize("task", RUNS)
def test_a_loaded_model_predicts_what_the_saved_one_did(tmp_path, task):
    before = model(task)
    save(before, tasks.get(task), RUNS[task], tmp_path / "best", FACTS)
    after = pare.load(tmp_path / "best")
    assert not after.training
    assert after.run == RUNS[task]
    with torch.inference_mode():
        expected = before(torch.from_numpy(tasks.get(task).encode(raw(task))))
    expected = expected.softmax(-1) if task == "ecg" else expected
    np.testing.assert_array_equal(after.predict(raw(task)), expected.numpy())


def test_loading_restores_every_weight(folder):
    expected = model("ecg").state_dict()
    actual = pare.load(folder).model.state_dict()
    assert actual.keys() == expected.keys()
    assert all(torch.equal(actual[name], expected[name]) for name in expected)


def test_predictions_do_not_depend_on_the_batch(folder):
    loaded = pare.load(folder)
    np.testing.assert_allclose(loaded.predict(raw("ecg", 5), batch=2), loaded.predict(raw("ecg", 5)), atol=1e-6)
    assert loaded.predict(raw("ecg", 0)).shape == (0, 4)
    np.testing.assert_allclose(loaded.predict(raw("ecg")).sum(1), 1, atol=1e-6)


def test_predicting_leaves_a_model_in_training_as_it_was(folder):
    loaded = pare.load(folder).train()
    loaded.predict(raw("ecg"))
    assert loaded.training


def test_input_of_another_task_is_refused_in_the_tasks_words(folder):
    with pytest.raises(RequestError, match="samples have shape"):
        pare.load(folder).predict(raw("darcy"))


def test_the_card_tells_data_body_results_and_use(folder):
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlibrary_name: pare\ntags:\n- pare\n")
    for part in (
        "**simulated**, a stand-in of the same shape, never comparable with a paper",
        "`roberta-mini`, starting from pretrained weights",
        "1 - macro-F1, lower is better",
        "Test metric: 0.41",
        "Seeds of the confirmation: 0, 1",
        "from pare import load",
        "| curriculum.start | 0.64 |",
    ):
        assert part in card


def test_run_json_holds_the_run_and_its_facts(folder):
    content = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert Run.from_flat(content["run"]) == RUNS["ecg"]
    assert content["facts"] == FACTS


def test_a_newer_model_replaces_the_older_one(folder):
    save(model("ecg"), tasks.get("ecg"), RUNS["ecg"].replace({"seed": 5}), folder, FACTS)
    assert pare.load(folder).run.seed == 5
    assert [path.name for path in folder.parent.iterdir()] == ["best"]


def test_a_failed_save_leaves_the_older_model(folder):
    with pytest.raises(KeyError):
        save(model("ecg"), tasks.get("ecg"), RUNS["ecg"].replace({"seed": 5}), folder, {})
    assert pare.load(folder).run.seed == 0
    assert [path.name for path in folder.parent.iterdir()] == ["best"]


def test_it_is_a_hugging_face_model(folder, tmp_path, capsys):
    TrainedModel.from_pretrained(str(folder)).save_pretrained(tmp_path / "copy")
    assert capsys.readouterr().out == ""
    np.testing.assert_array_equal(
        TrainedModel.from_pretrained(tmp_path / "copy").predict(raw("ecg")), pare.load(folder).predict(raw("ecg"))
    )
    assert "simulated" in (tmp_path / "copy" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "foreign"])
def test_a_damaged_folder_is_told_in_one_line(folder, name, damage):
    path = folder / name
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(content[:-100] if damage == "truncated" else b"{}")
    with pytest.raises(DataError, match=r"does not exist|damaged") as error:
        pare.load(folder)
    assert "\n" not in str(error.value)
    assert str(folder) in str(error.value)


def test_a_missing_folder(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        pare.load(tmp_path / "none")


def test_weights_of_another_architecture_are_refused(folder):
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["body"]["num_hidden_layers"] += 1
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(DataError, match="another version"):
        pare.load(folder)
