import numpy as np
import pytest
from scipy.interpolate import CubicSpline
from scipy.sparse import lil_array
from scipy.sparse.linalg import spsolve

from pare.tasks.nas360.darcy import generator


def _quiet(done: int, total: int) -> None:
    pass


def _generate(stream=0, count=2, resolution=15, **options):
    return generator.generate(0, stream, count, resolution, _quiet, **options)


def _direct_solution(a):
    """`solve_gwf.m` spelled out: splines one axis after the other, one matrix row per node, elimination."""
    s = len(a)
    centres, nodes = (np.arange(s) + 0.5) / s, np.linspace(0, 1, s)
    a = CubicSpline(centres, CubicSpline(centres, a)(nodes), axis=1)(nodes)
    number = {(i, j): k for k, (i, j) in enumerate(np.ndindex(s, s)) if 0 < i < s - 1 and 0 < j < s - 1}
    number = {node: k for k, node in enumerate(number)}
    matrix = lil_array((len(number), len(number)))
    for (i, j), k in number.items():
        for neighbour in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
            face = (a[i, j] + a[neighbour]) / 2 * (s - 1) ** 2
            matrix[k, k] += face
            if neighbour in number:
                matrix[k, number[neighbour]] = -face
    u = np.zeros((s, s))
    u[1:-1, 1:-1] = spsolve(matrix.tocsc(), np.ones(len(number))).reshape(s - 2, s - 2)
    return CubicSpline(nodes, CubicSpline(nodes, u)(centres), axis=1)(centres)


def test_solver_agrees_with_elimination():
    for a, u in zip(*_generate(count=6, resolution=29), strict=True):
        np.testing.assert_allclose(u, _direct_solution(a), rtol=0, atol=1e-9 * u.max())


def test_solver_falls_back_to_elimination(monkeypatch):
    (a,), (u,) = _generate(count=1, resolution=29)
    monkeypatch.setattr(generator, "_ITERATIONS", 1)
    np.testing.assert_allclose(generator.solve(a), u, rtol=0, atol=1e-8 * u.max())


def test_constant_coefficient_has_the_textbook_solution():
    assert generator.solve(np.full((85, 85), 3.0))[42, 42] == pytest.approx(0.0736713 / 3, rel=1e-3)


def test_coefficient_is_the_thresholded_cosine_series():
    s = 12
    white = np.random.default_rng(5).standard_normal((s, s))
    x = (np.arange(s) + 0.5) / s
    g = np.zeros((s, s))
    for i, j in np.ndindex(s, s):
        if (i, j) != (0, 0):
            deviation = 3.0 * (np.pi**2 * (i**2 + j**2) + 9) ** -1
            norm = (np.sqrt(2) if i else 1) * (np.sqrt(2) if j else 1)
            g += deviation * white[i, j] * norm * np.outer(np.cos(np.pi * i * x), np.cos(np.pi * j * x))
    expected = np.where(g >= 0, 12.0, 3.0)
    np.testing.assert_array_equal(generator.coefficient(np.random.default_rng(5), s), expected)


def test_samples_do_not_depend_on_threads_or_count():
    many, few = _generate(count=5, workers=3), _generate(count=3, workers=1)
    np.testing.assert_array_equal(many[0][:3], few[0])
    np.testing.assert_array_equal(many[1][:3], few[1])


def test_streams_are_independent():
    assert not np.array_equal(_generate(stream=0, resolution=29)[0], _generate(stream=1, resolution=29)[0])
