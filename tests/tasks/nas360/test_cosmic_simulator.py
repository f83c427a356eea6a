import io
import tarfile

import numpy as np
import pytest

from pare.tasks.nas360.cosmic import simulator
from pare.tasks.nas360.cosmic.task import one_minus_auroc


def _quiet(done):
    pass


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    path = tmp_path_factory.mktemp("cosmic") / "a.tar"
    simulator.write(path, "npy_train/f435w", ["1_2", "3_4"], 12, (0, 0), _quiet)
    with tarfile.open(path) as archive:
        return {name: np.load(io.BytesIO(archive.extractfile(name).read())) for name in archive.getnames()}


def test_every_exposure_has_its_sky(files):
    visit = {name.rpartition("/")[2]: array for name, array in files.items() if "/1/2/" in name}
    assert set(visit) == {"sky.npy", "1_000.npy", "2_000.npy", "3_000.npy", "4_000.npy", "1_001.npy", "2_001.npy"}
    for exposure, sky in enumerate(visit["sky.npy"], start=1):
        image, mask, ignore = visit[f"{exposure}_000.npy"]
        assert np.percentile(image[(mask == 0) & (ignore == 0)], 10) == pytest.approx(sky, abs=25)


def test_exposures_of_a_field_show_the_same_light(files):
    first, second = (files[f"npy_train/f435w/1/2/{name}.npy"] for name in ("1_000", "2_000"))
    quiet = (first[1:].sum(0) == 0) & (second[1:].sum(0) == 0)
    assert np.corrcoef(first[0][quiet], second[0][quiet])[0, 1] > 0.5
    assert np.corrcoef(first[1].ravel(), second[1].ravel())[0, 1] < 0.1, "and other rays"


def test_rays_are_bright_and_not_all_that_is_bright_is_a_ray(files):
    image, mask, ignore = np.stack([array for name, array in files.items() if "sky" not in name], axis=1)
    targets = np.stack([mask, ignore], axis=1)
    assert 0.02 < mask.mean() < 0.12
    assert 0 < ignore.mean() < 0.02
    assert one_minus_auroc(image, targets) < 0.05
    # There are stars, and as bright.
    assert (mask[image > 400] == 0).mean() > 0.02
