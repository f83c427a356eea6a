"""The lab takes minutes and root: its tests run where they are asked for by `-m cluster_lab`, nowhere else."""

import pytest


def pytest_collection_modifyitems(config, items):
    if "cluster_lab" in config.option.markexpr:
        return
    for item in items:
        if item.get_closest_marker("cluster_lab"):
            item.add_marker(pytest.mark.skip(reason="asked for by -m cluster_lab only"))
