"""What a step of PaRe costs beside one of naive fine-tuning: `python -m tests.bench.step [--rounds N]`.

Bodies at the paper's size (Swin-B at 224², N = 3136; RoBERTa-B, N = 50), random weights: the arithmetic is the same.
On a CPU in fp32 with an eighth of the paper's batch; with CUDA at the paper's batch in fp32, bf16 and bf16 compiled,
with the share of the card's peak that the step's own operations reach. Steps of all kinds alternate, so that the ratio
holds where the machine's speed drifts; medians are printed.
"""

import argparse
import statistics
import time
from types import SimpleNamespace

import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import RobertaConfig, SwinConfig

from pare.config import Gate, Optimizer, Run
from pare.losses import cross_entropy
from pare.method import body as bodies
from pare.method import methods, replacement
from pare.method.objective import Mixing
from pare.training import optim

PEAK_BF16 = {"H100": 989e12, "H200": 989e12, "A100": 312e12}
"""Dense bf16 operations per second by the cards' data sheets."""

CONFIGS = {
    "swin-base": SwinConfig(
        image_size=224, patch_size=4, embed_dim=128, depths=[2, 2, 18, 2], num_heads=[4, 8, 16, 32], window_size=7
    ),
    "roberta-base": RobertaConfig(vocab_size=8, max_position_embeddings=514, type_vocab_size=1, signal_patch=20),
}
TARGETS = {"swin-base": (3, 224, 224), "roberta-base": (1, 1000)}
SOURCES = {"swin-base": (3, 224, 224), "roberta-base": (1, 1000)}
BATCHES = {"cpu": {"swin-base": 4, "roberta-base": 8}, "cuda": {"swin-base": 32, "roberta-base": 64}}


class Step:
    """One update of a method, ready to be repeated."""

    def __init__(self, name, method, batch, phase, device, precision, compiled):
        run = Run(
            task="t", data="", body=name, source="s", source_data="", method=method, patch=20, gate=Gate(noise=0.1)
        )
        target, source = (
            SimpleNamespace(kind="classification", shape=shape, output_shape=(10,))
            for shape in (TARGETS[name], SOURCES[name])
        )
        torch.manual_seed(0)
        bodies._SMALL[name] = {"model_type": CONFIGS[name].model_type, **CONFIGS[name].to_diff_dict()}
        self.objective = methods.build(run, target, cross_entropy, {}, source, {}).to(device)
        self.optimizer = optim.build(self.objective, Optimizer())
        self.device, self.precision = device, precision
        if compiled:
            self.objective.compile(dynamic=False)
        self.x, self.y = torch.randn(batch, *target.shape, device=device), torch.randint(10, (batch,), device=device)
        n, s = self.objective.model.tokens, self.objective.model.body.source_tokens(source.shape[1:])
        self.source_tokens = s
        self.mixing = None
        if method == "pare":
            noise = tuple(replacement.gumbel(torch.rand(batch, m, device=device)) for m in (n, s))
            self.mixing = Mixing(
                torch.randn(batch, *source.shape, device=device),
                torch.randint(10, (batch,), device=device),
                torch.tensor(int(0.6 * n), device=device),
                noise if phase == "noisy" else None,
            )

    def __call__(self):
        self.optimizer.zero_grad()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            self.objective(self.x, self.y, self.mixing).total.mean().backward()
        self.optimizer.step()


def seconds(action, device):
    if device.type == "cuda":
        torch.cuda.synchronize()
    began = time.perf_counter()
    action()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def replace_alone(step):
    """Selection, replacement and their gradient on the step's own shapes, without embedder or body."""
    objective, mixing = step.objective, step.mixing
    batch, n = len(step.x), objective.model.tokens
    target, source = (
        torch.randn(batch, m, objective.model.body.width, device=step.device, requires_grad=grad)
        for m, grad in ((n, True), (step.source_tokens, False))
    )

    def action():
        scores = objective.gate(target), objective.gate(source)
        noise = mixing.noise and tuple(0.1 * part for part in mixing.noise)
        mixed, _ = replacement.mix(target, source, *scores, noise, mixing.k, 0.0, 0.1)
        mixed.sum().backward()

    return action


def measure(name, device, precision, compiled, rounds):
    batch = BATCHES[device.type][name]
    made = {
        "nft": Step(name, "nft", batch, "", device, precision, compiled),
        "pare, noisy phase": Step(name, "pare", batch, "noisy", device, precision, compiled),
        "pare, after it": Step(name, "pare", batch, "after", device, precision, compiled),
    }
    actions = {**made, "selection and replacement alone": replace_alone(made["pare, noisy phase"])}
    times = {kind: [] for kind in actions}
    for turn in range(rounds + 1):
        for kind, action in actions.items():
            spent = seconds(action, device)
            if turn:  # the first warms up
                times[kind].append(spent)
    medians = {kind: statistics.median(values) for kind, values in times.items()}
    print(f"\n{name}, batch {batch}, {device.type}, {precision}{', compiled' if compiled else ''}")
    for kind, value in medians.items():
        share = value / medians["pare, noisy phase"] if "alone" in kind else value / medians["nft"]
        of = "of a pare step" if "alone" in kind else "x nft"
        extra = f"  {utilisation(made[kind], value):.0%} of peak" if device.type == "cuda" and kind in made else ""
        print(f"  {kind:32} {1000 * value:9.1f} ms  {share:7.3f} {of}{extra}")


def utilisation(step, spent):
    """Share of the card's dense bf16 peak, counting the operations of the model's forward and backward only."""
    counter = FlopCounterMode(display=False)
    with counter, torch.compiler.set_stance("force_eager"):
        step()
    peak = next((peak for card, peak in PEAK_BF16.items() if card in torch.cuda.get_device_name()), float("nan"))
    return counter.get_total_flops() / spent / peak


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="counted rounds; each runs every kind of step once")
    parser.add_argument("--bodies", nargs="+", default=list(CONFIGS), choices=list(CONFIGS))
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    modes = [("fp32", False)] if device.type == "cpu" else [("fp32", False), ("bf16", False), ("bf16", True)]
    for name in arguments.bodies:
        for precision, compiled in modes:
            measure(name, device, precision, compiled, arguments.rounds)


if __name__ == "__main__":
    main()
