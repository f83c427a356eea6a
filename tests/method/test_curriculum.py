import math
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pare.config import Curriculum, Family
from pare.method.curriculum import patches, share

FAMILIES = get_args(Family)


@st.composite
def curricula(draw):
    start = draw(st.floats(0, 1))
    return Curriculum(
        family=draw(st.sampled_from(FAMILIES)),
        start=start,
        end=start * draw(st.floats(0, 1)),
        until=draw(st.floats(0.05, 1)),
        plateaus=draw(st.integers(2, 6)),
    )


@given(curricula(), st.floats(0, 1), st.floats(0, 1))
def test_never_rises_and_stays_between_its_ends(curriculum, p, q):
    earlier, later = share(curriculum, min(p, q)), share(curriculum, max(p, q))
    assert later <= earlier + 1e-12
    assert curriculum.end - 1e-12 <= later <= earlier <= curriculum.start + 1e-12


@pytest.mark.parametrize("family", FAMILIES)
def test_starts_and_ends_where_it_should(family):
    curriculum = Curriculum(family=family, start=0.6, end=0.1, until=0.8)
    assert share(curriculum, 0.0) == pytest.approx(0.6)
    for progress in (0.8, 0.9, 1.0):
        assert share(curriculum, progress) == pytest.approx(0.6 if family == "constant" else 0.1)


def test_families_have_their_shapes():
    def middle(family, **other):
        return share(Curriculum(family=family, start=1.0, end=0.0, **other), 0.5)

    assert middle("linear") == pytest.approx(0.5)
    assert middle("cosine") == pytest.approx(0.5)
    assert middle("exponential") == pytest.approx((math.exp(-2.5) - math.exp(-5)) / (1 - math.exp(-5)))
    assert middle("step", plateaus=3) == pytest.approx(0.5)
    steps = {round(share(Curriculum(family="step", start=1, end=0, plateaus=4), p / 1000), 9) for p in range(1001)}
    assert steps == {1.0, round(2 / 3, 9), round(1 / 3, 9), 0.0}


@given(st.floats(0, 1), st.integers(1, 4000), st.integers(1, 4000))
def test_number_of_patches_keeps_its_bounds(rho, n, s):
    k = patches(rho, n, s)
    assert (k == 0) == (rho == 0)
    assert k <= min(n, s)
    if rho > 0 and round(n * rho) in range(1, min(n, s) + 1):
        assert k == round(n * rho)


def test_the_share_may_count_the_sources_patches():
    assert patches(0.5, 25, 50, "source") == 25
    assert patches(0.5, 25, 50) == 12
    assert patches(0.5, 500, 32, "source") == 16
    assert patches(0.5, 500, 32) == 32
    assert patches(1.0, 25, 50, "source") == 25, "never more than the target has places"
    assert patches(0.001, 25, 50, "source") == 1
    assert patches(0.0, 25, 50, "source") == 0
