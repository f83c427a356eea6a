import pytest

from pare.data.task import Metric
from pare.reporting.records import Domain, describe


def test_a_metric_is_told_with_unit_and_direction():
    metric = Metric("accuracy", "maximize", lambda *_: 0.0, "%")
    assert describe(metric) == "accuracy [%], higher is better"


def test_domains_unite():
    assert Domain(0, 1) | Domain(0.5, 2) == Domain(0, 2)
    assert Domain(choices=("a", "b")) | Domain(choices=("b", "c")) == Domain(choices=("a", "b", "c"))
    assert Domain(choices=(16, 32)) | Domain(8, 64) == Domain(choices=(16, 32, 8, 64))


@pytest.mark.parametrize(
    "values", [{}, {"low": 1.0}, {"low": 0.0, "high": 1.0, "choices": (1,)}, {"choices": ("a", 1)}]
)
def test_a_domain_is_one_thing(values):
    with pytest.raises(ValueError, match="give"):
        Domain(**values)
