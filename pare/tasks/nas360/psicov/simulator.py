"""Folded chains and what might be predicted of their sequences, simulated in the layout of PDNET's data.

A chain is a walk of helices, strands and coils that keeps within a ball as large as a protein's and avoids itself. Its
predicted features know of its contacts about as much as real ones do: blurred, incomplete and noisy.
"""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import cdist

from pare.data.official.pickles import dump_arrays
from pare.data.task import ProgressCallback

_KINDS = ("helix", "strand", "coil")
_RISE = (1.5, 3.3, 3.0)  # Å along the axis per residue
_LENGTHS = ((14, 28), (7, 12), (3, 6))  # residues
_TURN, _RADIUS = np.deg2rad(100), 2.3  # of a helix, per residue and in Å
_TRIES = 48
_AMINO_ACIDS = "ARNDCQEGHILKMFPSTWYV"


def write(path: Path, counts: dict[str, int], lengths: tuple[int, int], seed: int, progress: ProgressCallback) -> None:
    """Write proteins of each set to a zip, of lengths drawn between the given ones."""
    done = 0
    with zipfile.ZipFile(path, "w") as archive:
        for group, count in counts.items():
            ids = [f"sim{done + number:04d}" for number in range(count)]
            archive.writestr(zipfile.ZipInfo(f"protein/{group}.lst"), "".join(f"{each}\n" for each in ids))
            for each in ids:
                rng = np.random.default_rng((seed, done))
                features, distance = _protein(int(rng.integers(lengths[0], lengths[1] + 1)), rng)
                content = io.BytesIO()
                dump_arrays(content, features)
                archive.writestr(zipfile.ZipInfo(f"protein/{group}/features/{each}.pkl"), content.getvalue())
                record = np.empty(3, dtype=object)
                record[:] = len(distance), features["seq"], distance
                content = io.BytesIO()
                np.save(content, record, allow_pickle=True)
                archive.writestr(zipfile.ZipInfo(f"protein/{group}/distance/{each}-cb.npy"), content.getvalue())
                done += 1
                progress(done, sum(counts.values()))


def _protein(length: int, rng: np.random.Generator) -> tuple[dict[str, Any], np.ndarray]:
    """Features by name, and distances (l, l) float32 in Å."""
    places, kinds = _chain(length, rng)
    distance = cdist(places, places)
    structure = np.eye(3)[kinds]
    buried = (distance < 10).sum(1)
    buried = (buried - buried.min()) / np.ptp(buried)
    # What a residue is like depends on where it lies, by weights that are the same for all proteins.
    weights = np.random.default_rng(0).normal(0, 1, (4, 22))
    pssm = 1 / (1 + np.exp(-np.column_stack([structure, buried]) @ weights - rng.normal(0, 1, (length, 22))))
    features = {
        "seq": "".join(_AMINO_ACIDS[number] for number in pssm[:, :20].argmax(1)),
        "ss": np.clip(0.7 * structure + rng.uniform(0, 0.3, (length, 3)), 0, 1).T.astype(np.float32),
        "pssm": pssm.astype(np.float32),
        "sa": np.clip(1 - buried + rng.normal(0, 0.15, length), 0, 1).astype(np.float32),
        "entropy": np.clip(0.5 + 0.4 * (1 - buried) + rng.normal(0, 0.1, length), 0, 2).astype(np.float32),
        "ccmpred": _couplings(distance, 0.8, 1.0, rng),
        "freecon": 3 * _couplings(distance, 0.7, 2.0, rng),
        "potential": -5 * _couplings(distance, 0.9, 4.0, rng),
    }
    return features, distance.astype(np.float32)


def _couplings(distance: np.ndarray, seen: float, blur: float, rng: np.random.Generator) -> np.ndarray:
    """A symmetric map (l, l) float32 that is about 1 where residues touch, a share `seen` of which show, blurred."""
    contact = 1 / (1 + np.exp((distance - 10) / 2))
    noisy = contact * (rng.random(contact.shape) < seen) + rng.normal(0, 0.15, contact.shape)
    return gaussian_filter((noisy + noisy.T) / 2, blur).astype(np.float32)


def _chain(length: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Places (l, 3) in Å of a chain's residues, and what each belongs to (l,): 0 helix, 1 strand, 2 coil."""
    ball = 1.3 * 2.2 * length**0.38  # a globular protein's radius of gyration is 2.2 l^0.38 Å
    places, kinds = np.zeros((1, 3)), np.array([2])
    while len(places) < length:
        kind = 2 if kinds[-1] != 2 else int(rng.integers(0, 2))
        count = int(rng.integers(*_LENGTHS[kind]))
        tries = places[-1] + np.stack([_segment(kind, count, rng) for _ in range(_TRIES)])
        outside = np.maximum(np.linalg.norm(tries, axis=2) - ball, 0).mean(1)
        every_other = tries[:, ::2]
        apart = cdist(every_other.reshape(-1, 3), places[: max(1, len(places) - 8)]).reshape(_TRIES, -(-count // 2), -1)
        crowded, beside = (apart < 4.5).sum(2).mean(1), (apart < 8).any(2).mean(1)
        places = np.concatenate([places, tries[np.argmin(crowded + outside - 2 * beside)]])
        kinds = np.append(kinds, np.full(count, kind))
    return places[:length], kinds[:length]


def _segment(kind: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Places (count, 3) of a helix, strand or coil that starts at the origin in a random direction."""
    frame = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    steps = np.arange(1, count + 1)
    if kind == 0:
        around = _RADIUS * np.stack([np.cos(_TURN * steps) - 1, np.sin(_TURN * steps)])
    else:
        around = rng.normal(0, 0.4 if kind == 1 else 1.0, (2, count))
    return np.stack([_RISE[kind] * steps, *around], axis=1) @ frame
