"""A viscous gas on a circle: finite volumes for its flow, explicit differences for its viscosity, as in PDEBench."""

from collections.abc import Sequence

import numpy as np

from pare.tasks.pdebench.initial_conditions import slopes

GAMMA = 5 / 3
SHEAR = BULK = 0.1
_VISCOSITY = BULK + 4 / 3 * SHEAR
"""Kinematic: v_t = ν v_xx, whatever the density, as in the published solver."""

_COURANT = 0.3
_FLOOR = 1e-4
"""The least pressure."""


def flow(state: np.ndarray, time: float, length: float) -> np.ndarray:
    """Density, pressure and velocity (n, 3, L) on a circle of `length`, after `time`.

    Each sample goes its own way: its steps are as long as its own fastest wave allows.
    """
    end = np.empty_like(state)
    dx = length / state.shape[-1]
    density, pressure, velocity = np.moveaxis(state.astype(np.float64), 1, 0)
    left, running = np.full(len(state), time), np.arange(len(state))
    while len(running):
        fastest = (np.abs(velocity) + np.sqrt(GAMMA * pressure / density)).max(1)
        step = np.minimum(_COURANT * dx / fastest, left)
        halfway = _moved((density, pressure, velocity), (density, pressure, velocity), step / 2 / dx)
        density, pressure, velocity = _moved((density, pressure, velocity), halfway, step / dx)
        pressure, velocity = _slowed(density, pressure, velocity, step, dx)
        left = left - step
        done = left <= 1e-12
        if done.any():
            end[running[done]] = np.stack([density, pressure, velocity], axis=1)[done]
            density, pressure, velocity = density[~done], pressure[~done], velocity[~done]
            left, running = left[~done], running[~done]
    return end


def _moved(state: Sequence[np.ndarray], of: Sequence[np.ndarray], ratio: np.ndarray) -> tuple[np.ndarray, ...]:
    """The state after steps of `ratio` (n,) = dt/dx under the fluxes of another state; each field is (n, L)."""
    rising = [slopes(field) / 2 for field in of]
    # Between a cell and its right neighbour.
    left = [field + rise for field, rise in zip(of, rising, strict=True)]
    right = [np.roll(field - rise, -1, -1) for field, rise in zip(of, rising, strict=True)]
    fluxes = _flux(left, right)
    mass, momentum, energy = (
        field - ratio[:, None] * (flux - np.roll(flux, 1, -1))
        for field, flux in zip(_conserved(*state), fluxes, strict=True)
    )
    velocity = momentum / mass
    return mass, np.maximum((GAMMA - 1) * (energy - momentum * velocity / 2), _FLOOR), velocity


def _slowed(
    density: np.ndarray, pressure: np.ndarray, velocity: np.ndarray, step: np.ndarray, dx: float
) -> tuple[np.ndarray, np.ndarray]:
    """Pressure and velocity after viscosity has acted for steps (n,), in as many parts as are stable."""
    between = (density + np.roll(density, -1, -1)) / 2
    stiffness = _VISCOSITY / dx**2 * ((between + np.roll(between, 1, -1)) / density).max(1)
    parts = int(np.ceil((step * stiffness).max() / 0.8))
    weight = _VISCOSITY / dx**2 * between * step[:, None] / parts
    energy = _conserved(density, pressure, velocity)[2]
    for _ in range(parts):
        ahead = np.roll(velocity, -1, -1)
        push = weight * (ahead - velocity)
        work = push * (ahead + velocity) / 2
        velocity = velocity + (push - np.roll(push, 1, -1)) / density
        energy = energy + work - np.roll(work, 1, -1)
    return np.maximum((GAMMA - 1) * (energy - density * velocity**2 / 2), _FLOOR), velocity


def _conserved(density: np.ndarray, pressure: np.ndarray, velocity: np.ndarray) -> tuple[np.ndarray, ...]:
    """Mass, momentum and energy per length."""
    momentum = density * velocity
    return density, momentum, pressure / (GAMMA - 1) + momentum * velocity / 2


def _flux(left: Sequence[np.ndarray], right: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    """Fluxes of mass, momentum and energy between two states: the HLLC solver of Toro, Spruce and Speares (1994)."""
    (dl, pl, vl), (dr, pr, vr) = left, right
    cl, cr = np.sqrt(GAMMA * pl / dl), np.sqrt(GAMMA * pr / dr)
    slowest, fastest = np.minimum(vl - cl, vr - cr), np.maximum(vl + cl, vr + cr)
    ml, mr = dl * (slowest - vl), dr * (fastest - vr)
    contact = (pr - pl + ml * vl - mr * vr) / (ml - mr)
    # The side of the contact on which the face lies, and the outer wave there.
    inside = contact >= 0
    d, p, v = (np.where(inside, a, b) for a, b in zip(left, right, strict=True))
    wave, m = np.where(inside, slowest, fastest), np.where(inside, ml, mr)
    _, momentum, energy = _conserved(d, p, v)
    star = m / (wave - contact)
    star_energy = star * (energy / d + (contact - v) * (contact + p / m))
    # Where even that wave has passed the face, nothing of the star state is seen.
    wave = np.where(inside, np.minimum(wave, 0), np.maximum(wave, 0))
    return (
        momentum + wave * (star - d),
        momentum * v + p + wave * (star * contact - momentum),
        (energy + p) * v + wave * (star_energy - energy),
    )
