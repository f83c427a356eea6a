"""What a user fixes and searches, from options and from TOML."""

import pytest

from pare.errors import RequestError
from pare.search.request import Request
from pare.search.space import changes
from pare.search.space.changes import Changes, Choices, Interval


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("optimizer.batch=16", 16),
        ("tuning.drop_path=0.1", 0.1),
        ("tuning.drop_path=0", 0.0),
        ("compile=true", True),
        ("compile=False", False),
        ("gate.select=saliency", "saliency"),
        ("num_hidden_layers=1", 1),
    ],
)
def test_a_fixed_value_has_its_setting_s_type(text, value):
    fixed = Request(set=(text,)).changes.fixed
    assert fixed == {text.partition("=")[0]: value}
    assert [type(each) for each in fixed.values()] == [type(value)]


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("tuning.drop_path=0:0.3", Interval(0.0, 0.3)),
        ("optimizer.lr.body=1e-5:1e-3:log", Interval(1e-5, 1e-3, "log")),
        ("optimizer.batch=8:64:linear", Interval(8, 64, "linear")),
        ("optimizer.batch=16,32, 64", Choices((16, 32, 64))),
        ("compile=true,false", Choices((True, False))),
        ("curriculum.family=linear,step", Choices(("linear", "step"))),
        ("curriculum.end_share=0.1:0.2", Interval(0.1, 0.2)),
    ],
)
def test_a_domain_is_an_interval_or_choices(text, domain):
    assert Request(search=(text,)).changes.searched == {text.partition("=")[0]: domain}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"set": ("optimizer.btach=3",)},
            "--set optimizer.btach: a run has no such setting; did you mean optimizer.batch?",
        ),
        ({"set": ("batch=3",)}, "did you mean alignment.batch or source_head.batch or optimizer.batch?"),
        ({"set": ("dropp_ath=3",)}, "did you mean tuning.drop_path?"),
        (
            {"search": ("curriculum.begin=0:1",)},
            "--search curriculum.begin: a run has no such setting; did you mean curric",
        ),
        ({"set": ("body=swin-mini",)}, "--set body: give it by --body"),
        ({"set": ("curriculum.ends=zero",)}, "it can only be searched; fix curriculum.end instead"),
        ({"set": ("optimizer.batch=1.5",)}, "--set optimizer.batch is '1.5': give a whole number"),
        ({"set": ("optimizer.clip=nan",)}, "--set optimizer.clip is 'nan': give a number"),
        ({"set": ("compile=yes",)}, "give true or false"),
        ({"set": ("gate.select=both",)}, "give one of gate, random, saliency"),
        ({"set": ("optimizer.batch=0",)}, "--set optimizer.batch: optimizer.batch is 0: give 1 or more"),
        ({"set": ("optimizer.batch",)}, "--set is 'optimizer.batch': give NAME=VALUE"),
        ({"set": ("epochs=3", "epochs=4")}, "--set names epochs again"),
        ({"set": ("epochs=3",), "search": ("epochs=3:4",)}, "--search names epochs again"),
        ({"epochs": 3, "search": ("epochs=3:4",)}, "--epochs is 3: --set or --search names epochs too"),
        (
            {"search": ("optimizer.batch=16",)},
            "give LOW:HIGH or A,B; one value is fixed by --set optimizer.batch=VALUE",
        ),
        ({"search": ("optimizer.batch=16,16",)}, "give each value once"),
        ({"search": ("optimizer.batch=16:8",)}, "give a lower end below the upper one"),
        ({"search": ("optimizer.clip=0:1:log",)}, "a logarithmic scale begins above 0"),
        ({"search": ("optimizer.clip=0:1:lgo",)}, "give LOW:HIGH, LOW:HIGH:log or LOW:HIGH:linear"),
        ({"search": ("compile=0:1",)}, "it is no number: give some of true, false"),
        ({"search": ("mix_share=0:1",)}, "--search mix_share: mix_share is 0.0: give a share in (0, 1]"),
        ({"search": ("curriculum.end_share=0:2",)}, "give shares from 0 to 1"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(options, said):
    with pytest.raises(RequestError) as error:
        Request(**options)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_says_the_same_and_options_change_it(tmp_path):
    path = tmp_path / "space.toml"
    path.write_text(
        """
        [set]
        optimizer.batch = 16
        gate.select = "random"

        [search]
        epochs = "2:6"
        curriculum.family = ["linear", "step"]

        [search.optimizer.lr]
        body = "1e-5:1e-3:log"
        """
    )
    found = changes.load(path)
    options = {"set": ("optimizer.batch=16", "gate.select=random")}
    searched = ("epochs=2:6", "curriculum.family=linear,step", "optimizer.lr.body=1e-5:1e-3:log")
    assert found == Request(**options, search=searched).changes
    later = Request(space_file=path, set=("epochs=3",), search=("optimizer.batch=8,16",)).changes
    assert later.fixed == {"gate.select": "random", "epochs": 3}
    assert later.searched.keys() == {"curriculum.family", "optimizer.lr.body", "optimizer.batch"}


def test_what_is_written_reads_back(tmp_path):
    written = Changes(
        {"optimizer.batch": 16, "compile": True, "gate.select": "random", "optimizer.lr.gate": 1e-05},
        {
            "epochs": Interval(2, 6),
            "optimizer.lr.body": Interval(1e-05, 1 / 3, "log"),
            "mix_share": Choices((0.5, 1 / 3)),
        },
    )
    path = tmp_path / "space.toml"
    path.write_text(changes.dump(written, "A space."), encoding="utf-8")
    assert changes.load(path) == written


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "No such file"),
        ("[set", "which is no TOML"),
        ("epochs = 3", "it has 'epochs'; give tables [set] and [search]"),
        ("[sets]\nepochs = 3", "it has 'sets'"),
        ("[set]\nepochs = 3\n[search]\nepochs = '3:4'", "epochs is in both tables"),
        ("[set]\nepochs = true", "[set] epochs is True: give a whole number"),
        ("[set]\nepochs = [3]", "[set] epochs is [3]: give a whole number"),
        ("[set]\nepochs = 3.5", "[set] epochs is 3.5: give a whole number"),
        ("[set]\noptimizer = 3", "[set] optimizer: a run has no such setting"),
        ("[search]\nepochs = 3", "[search] epochs is 3: give LOW:HIGH or A,B"),
        ("[search]\nepoch = [3, 4]", "did you mean epochs?"),
    ],
)
def test_a_wrong_file_is_told_in_one_line(text, said, tmp_path):
    path = tmp_path / "space.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(RequestError) as error:
        Request(space_file=path)
    assert said in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
