import math

import pytest

from pare.training import saving


@pytest.fixture(autouse=True)
def _every_epoch_is_saved(monkeypatch):
    """Tests' epochs may be shorter than a write to the disk; here they wait for it, as long ones do."""
    monkeypatch.setattr(saving, "SHARE", math.inf)
