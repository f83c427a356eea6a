"""What a step costs: PaRe beside naive fine-tuning, eager, as a CUDA graph, and with compiled blocks.

`python -m tests.bench.step [--bodies …] [--batches …] [--modes …] [--json FILE]`. Bodies at the paper's size (Swin-B at
224², N = 3136; RoBERTa-B, N = 50), of a size that many use (DINOv2-S at 224², N = 256; MiniLM, N = 50) or small, with
random weights: the arithmetic is the same. With CUDA bf16 (`--precision` for another) at three batches, beside timm's
and plain Hugging Face's training step where they are installed; on a CPU in fp32, eager, at the smallest. Medians;
`peak` is the share of the card's dense bf16 operations that the step's own reach, `first` the seconds until the first
two updates are done (what is recorded or compiled is by then), `GiB` the most that was reserved.
"""

import argparse
import importlib.util
import itertools
import json
import statistics
import time
from types import SimpleNamespace

import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    Dinov2Config,
    Dinov2ForImageClassification,
    RobertaConfig,
    RobertaModel,
    SwinConfig,
    SwinForImageClassification,
)

from pare.config import Gate, Optimizer, Run
from pare.losses import cross_entropy
from pare.method import catalogue, methods, replacement
from pare.training import graphs, optim
from pare.training.distributed import DistributedContext
from pare.training.passes import EagerPasses, Inputs, autocast
from pare.training.prefetch import Batch

PEAK_BF16 = {"H100": 989e12, "H200": 989e12, "A100": 312e12}
"""Dense bf16 operations per second by the cards' data sheets."""

ROBERTA = {"vocab_size": 8, "max_position_embeddings": 514, "type_vocab_size": 1, "signal_patch": 20}
MINILM = {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536}
SWIN = {"image_size": 224, "embed_dim": 128, "depths": [2, 2, 18, 2], "num_heads": [4, 8, 16, 32], "window_size": 7}
DINOV2 = {"image_size": 224, "patch_size": 14, "hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 6}
CONFIGS = {
    "dinov2-small": Dinov2Config(**DINOV2),
    "swin-base": SwinConfig(**SWIN, drop_path_rate=0.0),
    "roberta-base": RobertaConfig(**ROBERTA),
    "minilm": RobertaConfig(**ROBERTA, **MINILM),
}
SHAPES = {"swin": (3, 224, 224), "dinov2": (3, 224, 224), "roberta": (1, 1000)}
BATCHES = {"swin": (4, 32, 128), "dinov2": (4, 32, 128), "roberta": (8, 64, 512)}
CLASSIFIERS = {"swin": SwinForImageClassification, "dinov2": Dinov2ForImageClassification}
CLASSES = 10


class Step:
    """Updates of a method, whose model is made once."""

    def __init__(self, name, kind, precision, device):
        self.shape, self.kind, self.precision, self.device = SHAPES[CONFIGS[name].model_type], kind, precision, device
        self.method = kind.partition(",")[0]
        run = Run(
            task="t", data="", body=name, source="s", source_data="", method=self.method, patch=20, gate=Gate(noise=0.1)
        )
        side = SimpleNamespace(kind="classification", shape=self.shape, output_shape=(CLASSES,))
        torch.manual_seed(0)
        catalogue.SMALL[name] = {"model_type": CONFIGS[name].model_type, **CONFIGS[name].to_diff_dict()}
        self.objective = methods.build(run, side, cross_entropy, {}, side, {}).to(device).train()
        self.optimizer = optim.build(self.objective, Optimizer())
        self.passes = self.inputs = None

    def prepare(self, batch, mode):
        """Repeat updates of so many samples, in a mode."""
        if mode == "compiled":
            self.objective.model.body.compile_blocks()
        self.optimizer.zero_grad()
        tokens, device = self.objective.model.tokens, self.device
        eager = EagerPasses(self.objective, tokens, 1 / batch, self.precision, DistributedContext(0, 1, device))
        graph = mode in ("graph", "compiled")
        self.passes = graphs.GraphPasses(self.objective, tokens, 1 / batch, self.precision, eager) if graph else eager
        x, y = torch.randn(batch, *self.shape, device=device), torch.randint(CLASSES, (batch,), device=device)
        source = (x.flip(0), y.flip(0)) if self.method == "pare" else (None, None)
        noise = None
        if self.kind == "pare, noisy":
            noise = tuple(replacement.gumbel(torch.rand(batch, tokens, device=device)) for _ in range(2))
        self.inputs = Inputs.of(Batch(x, y, *source), int(0.6 * tokens), noise)

    def __call__(self):
        self.optimizer.zero_grad()
        self.passes(self.inputs, last=True)
        self.optimizer.step()


class Plain:
    """The same update by a library alone: its model, autocast, cross-entropy, fused AdamW."""

    def __init__(self, name, kind, precision, device):
        config = CONFIGS[name]
        if kind == "timm":
            timm = importlib.import_module("timm")
            self.model = timm.create_model("swin_base_patch4_window7_224", num_classes=CLASSES)
        elif config.model_type in CLASSIFIERS:
            classes = type(config)(**config.to_diff_dict(), num_labels=CLASSES)
            self.model = CLASSIFIERS[config.model_type](classes)
        else:
            self.model = _Classifier(config)
        self.model.to(device).train()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4, fused=True)
        self.device, self.precision = device, precision
        self.shape = SHAPES[config.model_type] if config.model_type in CLASSIFIERS else (50, config.hidden_size)
        self.x = self.y = None

    def prepare(self, batch, _mode):
        """Repeat updates of so many samples."""
        self.x = torch.randn(batch, *self.shape, device=self.device)
        self.y = torch.randint(CLASSES, (batch,), device=self.device)

    def __call__(self):
        self.optimizer.zero_grad()
        with autocast(self.precision, self.device):
            out = self.model(self.x)
            torch.nn.functional.cross_entropy(getattr(out, "logits", out), self.y).backward()
        self.optimizer.step()


class _Classifier(torch.nn.Module):
    def __init__(self, config):
        super().__init__()
        self.model = RobertaModel(config, add_pooling_layer=False)
        self.head = torch.nn.Linear(config.hidden_size, CLASSES)

    def forward(self, x):
        return self.head(self.model(inputs_embeds=x).last_hidden_state.mean(1))


def seconds(step, device, budget):
    """(median of an update, until the second update was done): at least five batches of updates within the budget."""

    def run(times):
        began = time.perf_counter()
        for _ in range(times):
            step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - began

    first = run(2)
    run(1)
    once = run(2) / 2
    times = max(1, int(budget / 5 / once))
    return statistics.median(run(times) / times for _ in range(5)), first


def measure(step, row, device, budget):
    """A row of the table, or why there is none."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    try:
        step.prepare(row["batch"], row["mode"])
        row["seconds"], row["first"] = seconds(step, device, budget)
    except RuntimeError as error:
        return row | {"failed": f"{type(error).__name__}: {str(error).splitlines()[0][:80]}"}
    row["per_second"] = row["batch"] / row["seconds"]
    if device.type == "cuda":
        row["GiB"] = torch.cuda.max_memory_reserved() / 2**30
        row["fell_back"] = getattr(getattr(step, "passes", None), "_failed", False)
    return row


def operations(name, kind):
    """Floating-point operations of a sample's forward and backward."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    step, counter = Step(name, kind, "fp32", device), FlopCounterMode(display=False)
    step.prepare(2, "eager")
    with counter:
        step.passes(step.inputs, last=True)
    return counter.get_total_flops() / 2


def shown(rows):
    """The rows as a table, with what is derived from several."""
    naive = {(r["body"], r["batch"], r["mode"]): r.get("seconds") for r in rows if r["kind"] == "nft"}
    peak = None
    if torch.cuda.is_available():
        peak = next((peak for card, peak in PEAK_BF16.items() if card in torch.cuda.get_device_name()), None)
    flops = {}
    print(
        f"{'body':13}{'batch':>6} {'mode':9}{'kind':12}{'ms':>9}{'/s':>9}{'x nft':>7}{'peak':>7}{'first':>7}{'GiB':>6}"
    )
    for r in rows:
        start = f"{r['body']:13}{r['batch']:6} {r['mode']:9}{r['kind']:12}"
        if "failed" in r:
            print(start, r["failed"])
            continue
        own = r["kind"] if r["mode"] != "plain" else "nft"
        if (r["body"], own) not in flops:
            flops[r["body"], own] = operations(r["body"], own)
        r["flops"] = flops[r["body"], own]
        r["utilisation"] = peak and r["flops"] * r["per_second"] / peak
        base = naive.get((r["body"], r["batch"], r["mode"]))
        ratio = f"{r['seconds'] / base:7.2f}" if base and r["kind"].startswith("pare") else " " * 7
        used = f"{r['utilisation']:7.1%}" if r["utilisation"] else " " * 7
        room = f"{r['GiB']:6.1f}" if "GiB" in r else ""
        note = "  not recorded" if r.get("fell_back") else ""
        print(f"{start}{1000 * r['seconds']:9.2f}{r['per_second']:9.0f}{ratio}{used}{r['first']:7.1f}{room}{note}")


def main():
    cuda = torch.cuda.is_available()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bodies", nargs="+", default=["swin-base", "roberta-base"], choices=list(CONFIGS))
    parser.add_argument("--batches", nargs="+", type=int, help="instead of three by the kind of body")
    parser.add_argument("--kinds", nargs="+", default=["nft", "pare"], choices=["nft", "pare", "pare, noisy"])
    modes = ["plain", "eager", "graph", "compiled"]
    parser.add_argument("--modes", nargs="+", default=modes if cuda else ["eager"], choices=modes)
    parser.add_argument("--precision", default="bf16" if cuda else "fp32", choices=["bf16", "fp32"])
    parser.add_argument("--budget", type=float, default=1.0, help="seconds of measured updates a row, about")
    parser.add_argument("--json", help="a file for the rows")
    arguments = parser.parse_args()
    device, rows = torch.device("cuda" if cuda else "cpu"), []
    print(torch.cuda.get_device_name() if cuda else "CPU", arguments.precision, torch.__version__, flush=True)
    for name in arguments.bodies:
        family = CONFIGS[name].model_type
        batches = arguments.batches or (BATCHES[family] if cuda else BATCHES[family][:1])
        own = [(kind, [mode for mode in arguments.modes if mode != "plain"]) for kind in arguments.kinds]
        others = [(kind, ["plain"]) for kind in ("timm", "transformers") if family == "swin" or kind != "timm"]
        for kind, tried in own + (others if "plain" in arguments.modes else []):
            if kind == "timm" and importlib.util.find_spec("timm") is None:
                continue
            step = (Plain if tried == ["plain"] else Step)(name, kind, arguments.precision, device)
            for mode, batch in itertools.product(tried, batches):
                row = {"body": name, "batch": batch, "precision": arguments.precision, "mode": mode, "kind": kind}
                rows.append(measure(step, row, device, arguments.budget))
                print(*(f"{k}={v:.4g}" if isinstance(v, float) else v for k, v in rows[-1].items()), flush=True)
            del step
    shown(rows)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:  # noqa: PTH123
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
