import numpy as np
import pandas as pd
import pytest

from pare import tasks
from pare.data import baselines, store
from pare.data.task import SPLITS
from pare.errors import DataError, RequestError
from pare.tasks.openml import builtin, tables

CREDIT = tables.TABLES["openml-credit-approval"]


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch):
    """`bring` points the environment at its task; no other test may find it there."""
    monkeypatch.setattr(tasks, "_own", [])


def _quiet(done, total):
    pass


def _credit():
    """A table of the shape of credit-approval's, gaps included."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"A1": rng.choice(["a", "b", None], 690), "A2": rng.normal(30, 10, 690), "A6": rng.choice(list("cdqx"), 690)}
    )
    frame["class"] = np.where(frame.A2 + rng.normal(0, 5, 690) > 30, "+", "-")
    frame.loc[::9, "A2"] = np.nan
    return frame


def _raw(root, table):
    folder = root / table.name / "raw"
    folder.mkdir(parents=True)
    return folder


def test_there_are_thirty_each_with_an_address_of_its_own():
    assert len(tables.TABLES) == 30
    assert len({table.number for table in tables.TABLES.values()}) == 30
    assert len({table.download.url for table in tables.TABLES.values()}) == 30
    assert tables.TABLES["openml-dresses-sales"].download.url.endswith("/datasets/0002/3381/dataset_23381.pq")
    assert all(table.rows <= 2000 and table.classes <= 10 for table in tables.TABLES.values())


@pytest.mark.parametrize("name", tables.OFFLINE)
def test_three_are_real_without_a_file(name, tmp_path):
    task = tables.bring(tmp_path, name)
    data = store.prepare(tasks.get(name), tmp_path, "laptop", _quiet)
    assert data.provenance == "real"
    table = tables.TABLES[name]
    assert sum(data.counts.values()) == table.rows
    assert data.counts["test"] == pytest.approx(table.rows / 10, abs=2)
    shares = np.array([data.classes[split] for split in SPLITS]) / np.array([[data.counts[split]] for split in SPLITS])
    np.testing.assert_allclose(shares, shares[:1].repeat(3, axis=0), atol=0.02)
    _, score = baselines.scores(task, data)
    assert score.name == "gradient boosting"
    assert score.test > 0.85


def test_the_split_is_the_same_every_time(tmp_path):
    tests = []
    for root in (tmp_path / "one", tmp_path / "two"):
        tables.bring(root, "openml-wdbc")
        tests.append(np.array(store.prepare(tasks.get("openml-wdbc"), root, "laptop", _quiet).split("test").x))
    np.testing.assert_array_equal(*tests)


@pytest.mark.parametrize("suffix", ["pq", "arff"])
def test_files_of_both_formats_are_read_and_gaps_are_filled(tmp_path, suffix):
    frame, folder = _credit(), _raw(tmp_path, CREDIT)
    if suffix == "pq":
        frame.to_parquet(folder / CREDIT.files[0])
    else:
        header = (
            "@relation c\n@attribute A1 {a,b}\n@attribute A2 real\n@attribute A6 {c,d,q,x}\n@attribute class {+,-}\n"
        )
        body = frame.to_csv(index=False, header=False, na_rep="?", lineterminator="\n")
        (folder / "dataset_29_credit-approval.arff").write_text(f"{header}@data\n{body}")
    task = tables.bring(tmp_path, CREDIT.name)
    assert task.labels == ("+", "-")
    assert task.shape == (1, 8)  # three of A1, the number, four of A6
    data = store.prepare(task, tmp_path, "laptop", _quiet)
    assert all(np.isfinite(data.split(name).x).all() for name in SPLITS)
    row = pd.DataFrame({"A1": [None], "A2": [np.nan], "A6": ["c"]})
    np.testing.assert_allclose(task.encode(row)[0, 0], [1, 0, 0, task.specification.columns["A2"], 1, 0, 0, 0])


def test_what_openml_ignores_is_no_feature(tmp_path):
    mice = tables.TABLES["openml-miceprotein"]
    frame = pd.DataFrame(
        {"MouseID": [f"m{n}" for n in range(1080)], "BDNF_N": np.arange(1080.0), "Genotype": "Control"}
    )
    frame["class"] = [f"c{n % 8}" for n in range(1080)]
    frame.to_parquet(_raw(tmp_path, mice) / mice.files[0])
    assert tables.bring(tmp_path, mice.name).shape == (1, 1)


def test_rows_without_a_class_are_left_out_and_other_tables_refused(tmp_path):
    frame, path = _credit(), _raw(tmp_path, CREDIT) / CREDIT.files[0]
    pd.concat([frame, frame[:5].assign(**{"class": None})]).to_parquet(path)
    tables.bring(tmp_path, CREDIT.name)
    frame[:600].to_parquet(path)
    with pytest.raises(DataError, match=r"'class' has 2 classes in 600 rows, credit-approval has 2 in 690"):
        tables.bring(tmp_path, CREDIT.name)


def test_what_is_missing_is_told_with_its_address(tmp_path):
    assert [table.name for table in tables.lacking(tmp_path, ("openml-wdbc", CREDIT.name))] == [CREDIT.name]
    with pytest.raises(DataError) as error:
        tables.bring(tmp_path, CREDIT.name)
    for words in ("dataset_29.pq", str(tmp_path / CREDIT.name / "raw"), CREDIT.download.url):
        assert words in str(error.value)
    assert not (tmp_path / CREDIT.name).exists()


def test_a_table_that_was_not_made_is_told_by_its_script(monkeypatch):
    monkeypatch.setattr(tasks, "_own", [])
    with pytest.raises(RequestError, match=r"openml-car is made by sweeps/openml_cc18\.py"):
        tasks.get("openml-car")


def test_an_official_file_comes_before_what_needs_none(tmp_path):
    table = tables.TABLES["openml-balance-scale"]
    frame = builtin.balance_scale().rename(columns={"left-weight": "lw"})
    frame.to_parquet(_raw(tmp_path, table) / table.files[0])
    assert "lw" in tables.bring(tmp_path, table.name).specification.columns


@pytest.mark.parametrize("name", ["dataset_1510.parquet", "wdbc.csv", "phpAmSP4g.arff", "dataset_1510.ARFF"])
def test_a_file_under_another_name_is_not_passed_over(tmp_path, name):
    (_raw(tmp_path, tables.TABLES["openml-wdbc"]) / name).write_text("")
    with pytest.raises(DataError, match=name):
        tables.bring(tmp_path, "openml-wdbc")
    with pytest.raises(DataError, match=name):
        tables.lacking(tmp_path, ("openml-wdbc",))


def test_what_an_earlier_version_left_is_not_taken_for_a_file_of_the_users(tmp_path):
    (_raw(tmp_path, tables.TABLES["openml-wdbc"]) / "data.npz").write_text("")
    assert tables.bring(tmp_path, "openml-wdbc").shape == (1, 30)
