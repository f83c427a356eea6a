import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier

from pare.data.synthetic import waveforms
from pare.data.task import Raw
from pare.errors import DataError, RequestError
from pare.sources.formula.signals import TASK

CLASSES = len(waveforms.class_names())


def quiet(done: int, total: int) -> None:
    pass


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Raw:
    folder = tmp_path_factory.mktemp("signals")
    TASK.write_synthetic(folder, TASK.recipes["laptop"], quiet)
    return TASK.read(folder, quiet)


def test_a_signal_does_not_depend_on_its_company():
    classes, instances = np.arange(2 * CLASSES) % CLASSES, np.arange(2 * CLASSES)
    signals = waveforms.render(classes, instances, seed=3)
    for k in range(CLASSES):
        alone = waveforms.render(classes[k : k + 1], instances[k : k + 1], seed=3)
        np.testing.assert_allclose(alone[0], signals[k], atol=1e-5)
    assert not np.allclose(waveforms.render(classes, instances, seed=4), signals)


def test_the_same_signal_comes_again():
    classes, instances = np.arange(CLASSES), np.arange(CLASSES)
    np.testing.assert_array_equal(waveforms.render(classes, instances), waveforms.render(classes, instances))


@pytest.mark.parametrize("length", [250, 1000, 1024])
@pytest.mark.parametrize("hardness", [0, 0.5, 1])
def test_signals_are_standardised_at_every_length_and_hardness(length, hardness):
    classes = np.arange(8 * CLASSES) % CLASSES
    signals = waveforms.render(classes, np.arange(len(classes)), length=length, hardness=hardness)
    assert signals.shape == (len(classes), length)
    assert signals.dtype == np.float32
    np.testing.assert_allclose(signals.mean(axis=1), 0, atol=1e-4)
    # a rare event may not have happened: then the signal is flat
    assert np.mean(np.abs(signals.std(axis=1) - 1) < 1e-3) > 0.99


def test_the_parameter_of_a_tone_is_its_frequency():
    tones = np.arange(waveforms.BINS)
    spectrum = np.abs(np.fft.rfft(waveforms.render(tones, tones, hardness=0)))
    low, high, _ = waveforms.FAMILIES["tone"]
    expected = low * (high / low) ** ((tones + 0.5) / waveforms.BINS)
    np.testing.assert_allclose(spectrum.argmax(axis=1), expected, atol=1)


def test_noise_of_a_power_law_has_that_power_law():
    first = list(waveforms.FAMILIES).index("power law") * waveforms.BINS
    low, high, _ = waveforms.FAMILIES["power law"]
    frequency = np.arange(2, 200)
    for part in range(waveforms.BINS):
        signals = waveforms.render(np.full(200, first + part), np.arange(200), hardness=0)
        power = (np.abs(np.fft.rfft(signals)) ** 2).mean(axis=0)[frequency]
        slope = np.polyfit(np.log(frequency), np.log(power), 1)[0]
        assert slope == pytest.approx(-low * (high / low) ** ((part + 0.5) / waveforms.BINS), abs=0.1)


def test_classes_are_told_apart_by_simple_features(raw):
    """Chance is 1.6 %; the features are a coarse spectrum and the order statistics of values and of differences."""

    def features(x: np.ndarray) -> np.ndarray:
        spectrum = np.abs(np.fft.rfft(x))[:, :320].reshape(len(x), -1, 4).mean(axis=-1)
        values, steps = np.sort(x)[:, ::50], np.sort(np.diff(x))[:, ::50]
        return np.concatenate((np.log(spectrum + 1e-3), values, steps), axis=1)

    forest = ExtraTreesClassifier(60, random_state=0, n_jobs=2).fit(features(raw.train.x[:, 0]), raw.train.y)
    assert forest.score(features(raw.test.x[:, 0]), raw.test.y) > 0.5


def test_splits_are_disjoint_and_hold_every_class(raw):
    groups = [split.group for split in (raw.train, raw.val, raw.test)]
    np.testing.assert_array_equal(np.concatenate(groups), np.arange(4096))
    assert [len(g) for g in groups] == [3072, 512, 512]
    for split in (raw.train, raw.val, raw.test):
        assert split.x.dtype == np.float32
        assert set(split.y) == set(range(CLASSES))
    assert not raw.statistics


def test_a_perfect_prediction_has_no_error(raw):
    assert TASK.metric.compute(np.eye(CLASSES)[raw.test.y], raw.test.y) == 0
    assert len(TASK.labels) == TASK.output_shape[0] == len(set(TASK.labels))


def test_encode_takes_batches_of_its_shape_only():
    assert TASK.encode(np.ones((2, 1, 1000))).dtype == np.float32
    for wrong in (np.ones((1, 1000)), np.ones((2, 1, 999)), np.full((1, 1, 1000), np.inf)):
        with pytest.raises(RequestError):
            TASK.encode(wrong)


def test_a_corrupt_file_is_told_in_one_line(tmp_path):
    path = tmp_path / "signals.npz"
    np.savez(path, x=np.zeros((64, *TASK.shape), TASK.stored), y=np.arange(64))
    content = bytearray(path.read_bytes())
    content[4000] ^= 255
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"signals\.npz.*expected") as caught:
        TASK.read(tmp_path, quiet)
    assert "\n" not in str(caught.value)
