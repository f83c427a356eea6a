"""Shallow water over level ground, g = 1, by second-order finite volumes: a quarter of a pool alike in all four.

PDEBench has it from Clawpack (Roe's solver); here the contact is kept by HLLC, and the slopes are limited alike.
"""

import numpy as np

from pare.tasks.pdebench.initial_conditions import limited

GRAVITY = 1.0
_COURANT = 0.24
"""dt/dx in units of the wave speed 1: no wave from a dam twice as high as the water is faster than 2√2 − 1."""


def broken(height: np.ndarray, time: float, dx: float) -> np.ndarray:
    """The height (n, X, Y) of water that was at rest, after `time`.

    The sides of low index are planes of symmetry; through those of high index waves leave.
    """
    steps = int(np.ceil(time / (_COURANT * dx)))
    ratio = time / steps / dx
    state = np.stack([height, np.zeros_like(height), np.zeros_like(height)]).astype(np.float64)
    for _ in range(steps):
        # Heun's method in the form that preserves positivity.
        once = state + ratio * _change(state)
        state = (state + once + ratio * _change(once)) / 2
    end: np.ndarray = state[0]
    return end


def _change(state: np.ndarray) -> np.ndarray:
    """dx times the rate of height and both momenta (3, n, X, Y)."""
    along_y = _along(state)
    turned = _along(state[[0, 2, 1]].swapaxes(2, 3))
    return along_y + turned.swapaxes(2, 3)[[0, 2, 1]]


def _along(state: np.ndarray) -> np.ndarray:
    """The part that fluxes along the last axis make; momentum along it is the third component."""
    # Two cells beyond each side: a mirror image before the first, copies of the last after it.
    before = state[..., 1::-1] * np.array([1.0, 1.0, -1.0])[:, None, None, None]
    padded = np.concatenate([before, state, state[..., -1:], state[..., -1:]], axis=-1)
    height = padded[0]
    primitive = np.stack([height, padded[1] / height, padded[2] / height])
    steps = np.diff(primitive)
    rise = limited(steps[..., :-1], steps[..., 1:]) / 2
    inner = primitive[..., 1:-1]
    flux = _flux((inner + rise)[..., :-1], (inner - rise)[..., 1:])
    return -np.diff(flux)


def _flux(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Fluxes (3, …) between states of height, velocity along the face and velocity through it (HLLC; Toro 2001)."""
    (hl, tl, vl), (hr, tr, vr) = left, right
    cl, cr = np.sqrt(GRAVITY * hl), np.sqrt(GRAVITY * hr)
    slowest, fastest = np.minimum(vl - cl, vr - cr), np.maximum(vl + cl, vr + cr)
    ml, mr = hl * (slowest - vl), hr * (fastest - vr)
    contact = (GRAVITY / 2 * (hr**2 - hl**2) + ml * vl - mr * vr) / (ml - mr)
    inside = contact >= 0
    h, t, v = np.where(inside, hl, hr), np.where(inside, tl, tr), np.where(inside, vl, vr)
    star = np.where(inside, ml, mr) / (np.where(inside, slowest, fastest) - contact)
    wave = np.where(inside, np.minimum(slowest, 0), np.maximum(fastest, 0))
    mass = h * v + wave * (star - h)
    momentum = h * v**2 + GRAVITY / 2 * h**2 + wave * (star * contact - h * v)
    return np.stack([mass, mass * t, momentum])
