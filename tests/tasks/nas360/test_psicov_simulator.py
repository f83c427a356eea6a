import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pare.tasks.nas360.psicov import simulator


@pytest.fixture(scope="module")
def proteins():
    return [simulator._protein(length, np.random.default_rng(length)) for length in (150, 300)]


def test_neighbours_lie_as_far_apart_as_residues_do(proteins):
    for _, distance in proteins:
        steps = np.diagonal(distance, 1)
        assert 3 < np.median(steps) < 4.5
        assert steps.max() < 8
        assert not np.diagonal(distance).any()
        np.testing.assert_array_equal(distance, distance.T)


def test_chains_fold(proteins):
    for features, distance in proteins:
        rows, columns = np.triu_indices(len(distance), 24)
        contacts = (distance[rows, columns] < 8).sum()
        assert 0.3 < contacts / len(features["seq"]) < 6
        assert distance.max() < 3.8 * len(distance) / 4


def test_features_know_of_contacts_and_not_all(proteins):
    for features, distance in proteins:
        rows, columns = np.triu_indices(len(distance), 24)
        contact = distance[rows, columns] < 8
        for name in ("ccmpred", "freecon", "potential"):
            score = features[name][rows, columns] * (-1 if name == "potential" else 1)
            assert 0.85 < roc_auc_score(contact, score) < 0.999
            np.testing.assert_array_equal(features[name], features[name].T)
        assert np.corrcoef(features["sa"], (distance < 10).sum(1))[0, 1] < -0.5
