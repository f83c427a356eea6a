import pytest

from pare.search.cluster import prices


def node(alive=True, **labels):
    return {
        "Alive": alive,
        "NodeManagerHostname": "host",
        "Labels": {k.replace("_", "-"): v for k, v in labels.items()},
    }


def test_a_label_goes_before_the_table():
    known = next(iter(prices.ON_DEMAND))
    total, unknown = prices.per_hour([node(usd_per_hour="0.25"), node(instance_type=known)])
    assert total == pytest.approx(0.25 + prices.ON_DEMAND[known])
    assert unknown == []
    assert prices.per_hour([node(usd_per_hour="0.1", instance_type=known)]) == (0.1, [])


@pytest.mark.parametrize("stranger", [node(), node(usd_per_hour="cheap"), node(instance_type="x1.unheard")])
def test_nodes_without_a_price_are_named(stranger):
    assert prices.per_hour([stranger]) == (0.0, ["host"])


def test_dead_nodes_cost_nothing():
    assert prices.per_hour([node(alive=False, usd_per_hour="9")]) == (0.0, [])
