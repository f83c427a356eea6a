"""Selection and replacement against plain loops, and the invariants of the method."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pare.method.replacement import gumbel, mix, replace, select


def reference(target, source, target_scores, source_scores, target_keys, source_keys, k, threshold):
    """The method's steps 4 to 6, read aloud: for each sample a loop, for each patch a loop."""
    mixed, counts = target.clone(), []
    for b in range(len(target)):
        by_key = sorted(range(source.shape[1]), key=lambda i: (-source_keys[b, i].item(), i))
        entering = sorted(i for i in by_key[:k] if source_scores[b, i] >= threshold)
        lowest = sorted(range(target.shape[1]), key=lambda i: (target_keys[b, i].item(), i))
        leaving = sorted(lowest[: len(entering)])
        for place, patch in zip(leaving, entering, strict=True):
            mixed[b, place] = source[b, patch]
        counts.append(len(entering))
    return mixed, torch.tensor(counts)


@st.composite
def problems(draw):
    batch, n, s = draw(st.integers(1, 3)), draw(st.integers(1, 12)), draw(st.integers(1, 12))
    k = draw(st.integers(0, min(n, s)))
    threshold = draw(st.sampled_from([0.0, 0.3, 0.5, 0.9]))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    noise_scale = draw(st.sampled_from([0.0, 0.1, 1.0]))
    target, source = (torch.randn(batch, length, 4, generator=generator) for length in (n, s))
    # Few distinct values, so that ties are common.
    scores = [torch.randint(0, 8, (batch, length), generator=generator) / 8 for length in (n, s)]
    noise = [noise_scale * gumbel(torch.rand(batch, length, generator=generator)) for length in (n, s)]
    return target, source, *scores, *noise, k, threshold


@given(problems())
def test_agrees_with_plain_loops(problem):
    target, source, target_scores, source_scores, target_noise, source_noise, k, threshold = problem
    keys = target_scores + target_noise, source_scores + source_noise
    expected, counts = reference(target, source, target_scores, source_scores, *keys, k, threshold)
    selection = select(target_scores, source_scores, *keys, torch.tensor(k), threshold)
    assert torch.equal(selection.count_B, counts)
    assert torch.equal(replace(target, source, selection), expected)

    noise = (target_noise, source_noise)
    mixed, share = mix(target, source, target_scores, source_scores, noise, torch.tensor(k), threshold, 0.1)
    assert torch.equal(mixed, expected)
    assert torch.equal(share, counts / target.shape[1])


def batch(n=16, s=24, b=3, width=8):
    generator = torch.Generator().manual_seed(0)
    target, source = (torch.randn(b, length, width, generator=generator) for length in (n, s))
    scores = [torch.rand(b, length, generator=generator) for length in (n, s)]
    return target, source, *scores


def test_no_patches_leave_the_target_bit_for_bit():
    target, source, *scores = batch()
    mixed, share = mix(target, source, *scores, None, torch.tensor(0), 0.0, 0.1)
    assert torch.equal(mixed, target)
    assert share.tolist() == [0, 0, 0]


def test_all_patches_give_the_source_in_its_own_order():
    target, source, *scores = batch(n=24, s=24)
    mixed, share = mix(target, source, *scores, None, torch.tensor(24), 0.0, 0.1)
    assert torch.equal(mixed, source)
    assert share.tolist() == [1, 1, 1]


@pytest.mark.parametrize(("n", "s"), [(16, 24), (24, 16), (16, 16)])
def test_exactly_the_lowest_leave_and_the_highest_enter(n, s):
    target, source, target_scores, source_scores = batch(n, s)
    k = 7
    selection = select(target_scores, source_scores, target_scores, source_scores, torch.tensor(k), 0.0)
    assert selection.target_BN.sum(1).tolist() == [k] * 3
    assert selection.source_BS.sum(1).tolist() == [k] * 3
    for b in range(3):
        left, entered = selection.target_BN[b], selection.source_BS[b]
        assert target_scores[b][left].max() <= target_scores[b][~left].min()
        assert source_scores[b][entered].min() >= source_scores[b][~entered].max()


def test_threshold_lets_each_sample_take_its_own_number():
    target, source, target_scores, source_scores = batch()
    source_scores[0] = 0.2
    source_scores[1] = 0.9
    source_scores[2, :12], source_scores[2, 12:] = 0.2, 0.9
    selection = select(target_scores, source_scores, target_scores, source_scores, torch.tensor(14), 0.5)
    assert selection.count_B.tolist() == [0, 14, 12]
    mixed = replace(target, source, selection)
    assert torch.equal(mixed[0], target[0])


def test_threshold_reads_the_score_and_not_its_noise():
    target, source, target_scores, source_scores = batch()
    loud = source_scores + 10
    selection = select(target_scores, source_scores * 0, target_scores, loud, torch.tensor(5), 0.5)
    assert selection.count_B.tolist() == [0, 0, 0]


def test_replacement_does_not_touch_its_arguments():
    target, source, *scores = batch()
    before = target.clone(), source.clone()
    mix(target, source, *scores, None, torch.tensor(5), 0.0, 0.1)
    assert torch.equal(target, before[0])
    assert torch.equal(source, before[1])


@pytest.mark.parametrize("noisy", [True, False])
@pytest.mark.parametrize("threshold", [0.0, 0.4])
def test_scores_of_kept_patches_receive_a_gradient_in_both_phases(noisy, threshold):
    target, source, target_scores, source_scores = batch()
    target_scores.requires_grad_()
    source_scores.requires_grad_()
    generator = torch.Generator().manual_seed(1)
    noise = tuple(0.1 * gumbel(torch.rand(3, n, generator=generator)) for n in (16, 24)) if noisy else None
    mixed, _ = mix(target, source, target_scores, source_scores, noise, torch.tensor(6), threshold, 0.1)
    mixed.square().sum().backward()
    for scores in (target_scores, source_scores):
        assert scores.grad is not None
        assert scores.grad.isfinite().all()
        assert (scores.grad != 0).any(dim=1).all()


def test_gumbel_noise_has_its_mean_and_deviation():
    noise = gumbel(torch.rand(200_000, generator=torch.Generator().manual_seed(0)))
    assert noise.isfinite().all()
    assert noise.mean().item() == pytest.approx(0.5772, abs=0.02)
    assert noise.std().item() == pytest.approx(1.2825, abs=0.02)
    assert gumbel(torch.zeros(1)).isfinite().all()


def test_shares_follow_the_schedule_without_recompiling():
    target, source, *scores = batch()
    compiled = torch.compile(mix, backend="eager", fullgraph=True)
    torch._dynamo.reset()
    with torch._dynamo.config.patch(error_on_recompile=True):
        for k in (9, 5, 1):
            _, share = compiled(target, source, *scores, None, torch.tensor(k), 0.0, 0.1)
            assert share.tolist() == pytest.approx([k / 16] * 3)
