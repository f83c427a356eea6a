"""Recorded passes against those that launch kernel by kernel: the same numbers, on a GPU by CUDA graphs.

On a CPU a recorder stands in that computes again, into the same tensors, what it was shown: all but the device's part.
"""

from types import SimpleNamespace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from pare import tasks
from pare.errors import Stopped
from pare.method import methods
from pare.method.objective import MixedFineTuning
from pare.training import graphs, passes
from pare.training.distributed import DistributedContext
from pare.training.loop import train
from pare.training.passes import Inputs
from pare.training.prefetch import Batch
from tests.training.host import NothingOfTheHost

ALONE = DistributedContext(0, 1, torch.device("cpu"))
GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")


class Again:
    """Stands in for CUDA: a replay computes anew from the static inputs, into the tensors of the first result."""

    def warm_up(self, compute):
        return compute()

    def record(self, compute):
        random = torch.get_rng_state()
        found, gradients = compute()
        torch.set_rng_state(random)

        def replay():
            again, once_more = compute()
            for name, total in found.items():
                total.copy_(again[name])
            for static, fresh in zip(gradients, once_more, strict=True):
                if static is not None:
                    static.copy_(fresh)

        # A recording computes nothing yet.
        for tensor in (*found.values(), *(g for g in gradients if g is not None)):
            tensor.fill_(torch.nan)
        return replay, (found, gradients)


class Broken(Again):
    def record(self, _):
        raise RuntimeError("operation not permitted when stream is capturing\nmore")


def recorded(monkeypatch, recorder=Again):
    """Makes every run of this test use a recorder; returns which passes were made."""
    made = []

    def build(objective, run, world, batch):
        scale, tokens = world.size / batch, objective.model.tokens
        eager = passes.EagerPasses(objective, tokens, scale, run.precision, world)
        made.append(graphs.GraphPasses(objective, tokens, scale, run.precision, eager, recorder))
        return made[-1]

    monkeypatch.setattr(graphs, "passes", build)
    return made


def trained(run, root, folder):
    reports = []
    result = train(run, root, folder, lambda figures: reports.append(dict(figures)) or True)
    return result.model, reports


def same(ours, theirs, rtol, names=("loss", "val_loss", "loss_source", "lambda", "replaced", "gate_mean")):
    for a, b in zip(ours[1], theirs[1], strict=True):
        for name in names:
            if name in b:
                assert a[name] == pytest.approx(b[name], rel=rtol), name
    # Of all weights together: what has next to no gradient goes where rounding sends it.
    a, b = (torch.cat([p.detach().flatten() for p in model.parameters()]) for model, _ in (ours, theirs))
    assert (a - b).norm() <= rtol * b.norm()


VARIANTS = {
    "noise, then none, then no mixed pass": {"curriculum.end": 0.0, "curriculum.until": 0.7, "gate.noise_until": 0.4},
    "naive": {"method": "nft"},
    "norms": {"method": "fpt"},
    "accumulated in uneven parts": {"optimizer.accumulate": 4, "optimizer.clip": 0.5},
    "adapters": {"tuning.body": "lora", "tuning.lora_rank": 2},
    "momentum": {"optimizer.name": "sgd", "curriculum.end": 0.0, "curriculum.until": 0.5},
    "drop path": {"tuning.drop_path": 0.3},
    "aligned first": {"method": "orca", "alignment.steps": 3},
    "half of the batch": {"mix_share": 0.5, "gate.hidden": 8},
    "at random": {"method": "pare-random"},
    "by saliency": {"gate.select": "saliency"},
    "cut from the target": {"method": "cutmix"},
}
CASES = [("darcy", variant) for variant in VARIANTS] + [("ecg", variant) for variant in list(VARIANTS)[:4]]


@pytest.mark.parametrize(("task", "variant"), CASES)
def test_thirty_recorded_updates_are_those_of_single_kernels(variant, task, make_run, root, tmp_path, monkeypatch):
    run = make_run(task, epochs=3, **VARIANTS[variant])
    expected = trained(run, root, tmp_path / "eager")
    made = recorded(monkeypatch)
    ours = trained(run, root, tmp_path / "recorded")
    assert made[0]._graphs, "something was recorded"
    same(ours, expected, 1e-5)


def test_an_interrupted_run_goes_on_with_recorded_passes(make_run, root, tmp_path, monkeypatch):
    recorded(monkeypatch)
    run = make_run("darcy", epochs=3, **{"tuning.drop_path": 0.3})
    whole = trained(run, root, tmp_path / "whole")
    first = make_run("darcy", epochs=3, **{"tuning.drop_path": 0.3})
    with pytest.raises(Stopped):
        train(first, root, tmp_path / "cut", lambda figures: figures["epoch"] != 2)
    same(trained(run, root, tmp_path / "cut"), (whole[0], whole[1][1:]), 1e-6)


def test_where_nothing_can_be_recorded_the_run_goes_on_and_says_so_once(make_run, root, tmp_path, monkeypatch, caplog):
    run = make_run("ecg", epochs=2)
    expected = trained(run, root, tmp_path / "eager")
    recorded(monkeypatch, Broken)
    same(trained(run, root, tmp_path / "broken"), expected, 1e-5)
    said = [record.getMessage() for record in caplog.records if record.name == graphs.__name__]
    assert said == [
        "steps go on without CUDA graphs, which could not be recorded: operation not permitted when stream is capturing"
    ]


def test_several_workers_go_on_without_graphs_and_are_told(make_run, caplog):
    run = make_run("ecg")
    objective, _ = objective_of(run, torch.device("cpu"))
    group = SimpleNamespace(size=2, device=torch.device("cuda"), wrap=lambda module, **_: module)
    assert isinstance(graphs.passes(objective, run, group, 4), passes.EagerPasses)
    (record,) = caplog.records
    assert record.getMessage().startswith("steps of a worker group go on without CUDA graphs")


def test_weights_cast_at_once_give_what_autocast_gives(make_run, root):
    run = make_run("darcy", precision="bf16")
    objective, inputs = objective_of(run, torch.device("cpu"))
    eager = passes.EagerPasses(objective, objective.model.tokens, 1.0, "bf16", ALONE)
    expected = eager(inputs, True)
    gradients = {name: p.grad for name, p in objective.named_parameters() if p.grad is not None}
    objective.zero_grad()
    found = graphs.GraphPasses(objective, objective.model.tokens, 1.0, "bf16", eager, Again)(inputs, True)
    assert {name: total.item() for name, total in found.items()} == {n: t.item() for n, t in expected.items()}
    ours = {name: p.grad for name, p in objective.named_parameters() if p.grad is not None}
    assert ours.keys() == gradients.keys()
    for name, parameter in objective.named_parameters():
        if name in ours:
            assert (ours[name].dtype, ours[name].stride()) == (torch.float32, parameter.stride())
    apart = sum((ours[name] - gradients[name]).square().sum() for name in ours).sqrt()
    assert apart <= 1e-2 * sum(gradient.square().sum() for gradient in gradients.values()).sqrt()


class Copies(TorchDispatchMode):
    """Notes of each copy of a list of tensors how many there are, and whether a GPU needs a kernel for each."""

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        if function is torch.ops.aten._foreach_copy_.default:
            to, of = arguments[:2]
            alike = all(a.stride() == b.stride() for a, b in zip(to, of, strict=True))
            self.found.append((len(to), not alike or len({t.dtype for t in to}) > 1 or len({t.dtype for t in of}) > 1))
        return function(*arguments, **(options or {}))


@pytest.mark.parametrize("task", ["ecg", "darcy"])
def test_weights_and_gradients_are_cast_by_one_kernel_each(task, make_run, root):
    objective, inputs = objective_of(make_run(task, precision="bf16"), torch.device("cpu"))
    step = graphs.GraphPasses(objective, objective.model.tokens, 1.0, "bf16", None, Again)
    with Copies() as copies:
        step._compute(inputs)
    together = [count for count, one_by_one in copies.found if not one_by_one]
    assert together == [len(step._weights._to)] * 2
    biases = [name for name in step._trained if "relative_position_bias_table" in name]
    assert [count for count, one_by_one in copies.found if one_by_one] == ([len(biases)] if biases else [])


METHODS = {
    "pare": {},
    "by saliency": {"gate.select": "saliency"},
    "cutmix": {"method": "cutmix"},
    "nft": {"method": "nft"},
}


@pytest.mark.parametrize("changes", METHODS.values(), ids=METHODS)
@pytest.mark.parametrize("task", ["ecg", "darcy"])
def test_no_step_asks_the_host_for_anything(task, changes, make_run, root):
    run = make_run(task, precision="bf16", **changes)
    objective, inputs = objective_of(run, torch.device("cpu"))
    tokens, count = objective.model.tokens, objective.model.body.source_tokens(tasks.get(run.source).spatial_shape)
    if not isinstance(objective, MixedFineTuning):
        inputs = Inputs(inputs.x, inputs.y)
    elif run.method == "cutmix":
        inputs, count = inputs._replace(source_x=inputs.x.flip(0), source_y=inputs.y.flip(0)), tokens
    if getattr(objective, "noisy_throughout", False):
        inputs = inputs._replace(noise_target=torch.rand(4, tokens), noise_source=torch.rand(4, count))
    step = graphs.GraphPasses(objective, tokens, 1.0, "bf16", None, Again)
    step(inputs, True)
    with NothingOfTheHost():
        step._compute(inputs)


def test_what_cannot_be_recorded_is_seen():
    for asks in (lambda x: x[x > 0], lambda x: x.sum().item(), lambda x: x * torch.tensor(2.0), torch.nonzero):
        with pytest.raises(AssertionError), NothingOfTheHost():
            asks(torch.ones(3))


def objective_of(run, device):
    """An objective of a run, and one part of a batch, both on a device."""
    task, source = tasks.get(run.task), tasks.get(run.source)
    torch.manual_seed(0)
    objective = methods.build(run, task, task.criterion, {}, source, {}, source.criterion).to(device)
    generator = torch.Generator().manual_seed(1)

    def some(interface, size=4):
        x = torch.randn(size, *interface.shape, generator=generator)
        if interface.kind == "classification":
            return x, torch.randint(interface.output_shape[0], (size,), generator=generator)
        return x, torch.rand(size, *interface.output_shape, generator=generator)

    batch = Batch(*(tensor.to(device) for tensor in (*some(task), *some(source))))
    return objective, Inputs.of(batch, 3, None)


@pytest.mark.gpu
@GPU
@pytest.mark.parametrize(
    ("task", "variant", "precision"), [(*c, "bf16") for c in CASES] + [(*c, "fp32") for c in CASES[::3]]
)
def test_thirty_updates_by_cuda_graphs_are_those_of_single_kernels(
    variant, task, precision, make_run, root, tmp_path, monkeypatch, caplog
):
    run = make_run(task, epochs=3, precision=precision, **VARIANTS[variant])
    ours = trained(run, root, tmp_path / "graphs")
    assert not caplog.records, "recorded, with no word of a fallback"

    def eager(objective, run, world, batch):
        return passes.EagerPasses(objective, objective.model.tokens, 1 / batch, run.precision, world)

    monkeypatch.setattr(graphs, "passes", eager)
    same(ours, trained(run, root, tmp_path / "eager"), 1e-2 if precision == "fp32" else 5e-2)


@pytest.mark.gpu
@GPU
def test_a_recorded_run_resumes_as_it_would_have_gone_on(make_run, root, tmp_path):
    run = make_run("darcy", epochs=3, **{"tuning.drop_path": 0.3})
    whole = trained(run, root, tmp_path / "whole")
    with pytest.raises(Stopped):
        train(run, root, tmp_path / "cut", lambda figures: figures["epoch"] != 2)
    same(trained(run, root, tmp_path / "cut"), (whole[0], whole[1][1:]), 1e-2)


@pytest.mark.gpu
@GPU
def test_a_graph_draws_other_random_numbers_for_another_seed(make_run, root):
    run = make_run("darcy", method="nft", **{"tuning.drop_path": 0.5})
    objective, inputs = objective_of(run, torch.device("cuda"))
    eager = passes.EagerPasses(objective, objective.model.tokens, 1.0, "fp32", ALONE)
    recorded = graphs.GraphPasses(objective, objective.model.tokens, 1.0, "fp32", eager)
    inputs = Inputs(inputs.x, inputs.y)

    def loss(seed):
        torch.manual_seed(seed)
        objective.zero_grad()
        return recorded(inputs, True)["loss"].item()

    warm, first, second, again = loss(1), loss(1), loss(2), loss(1)
    assert first == again
    assert first != second
    assert first == pytest.approx(warm, rel=1e-5)
