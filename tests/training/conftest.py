import math

import pytest

from pare.training import saving


@pytest.fixture(autouse=True)
def _every_epoch_is_saved(monkeypatch):
    """As runs of long epochs are: those of tests take less time than a disk may."""
    monkeypatch.setattr(saving, "SHARE", math.inf)
