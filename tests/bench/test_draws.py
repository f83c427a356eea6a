"""What is drawn to be recorded."""

from tests.bench.draws import draw, starts
from tests.bench.replay.fakes import BASE, SPACE


def test_known_configurations_are_the_published_one_and_half_by_chance():
    first, second = starts(SPACE, BASE, "pare")
    assert first == SPACE.published(BASE, "pare")
    assert (second["curriculum.family"], second["curriculum.start"]) == ("constant", 0.5)
    assert (second["mix_weight"], second["gate.select"]) == (1.0, "random")
    assert len(starts(SPACE, BASE, "nft")) == 1, "nothing of the second is nft's"


def test_draws_are_the_known_ones_then_uniform_and_near_them_in_turn():
    draws = [draw(SPACE, BASE, number, "pare") for number in range(7)]
    assert [drawn for drawn, _ in draws] == ["prior", "prior", "near", "uniform", "near", "uniform", "near"]
    assert [searched for _, searched in draws[:2]] == starts(SPACE, BASE, "pare")
    assert draws[3:] == [draw(SPACE, BASE, number, "pare") for number in range(3, 7)], "a resumed one's too"
