"""The figures of an epoch, by their names in the reports of `pare.training.loop`: one list for tables and plots."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A figure's meaning, its unit (`metric`: the unit of the task's metric), and its tag as a TensorBoard scalar."""

    description: str
    unit: str = ""
    tag: str | None = None
    whole: bool = False
    """Whether the figure is a count."""


PICTURES = "pictures/"
"""Prefix of the names of a report's arrays (see `pare.training.snapshots`), and of their tags in TensorBoard."""

FIGURES: Mapping[str, Figure] = {
    "epoch": Figure("Epochs finished", "epochs", "progress/epochs", whole=True),
    "objective": Figure("Best validation metric so far", "metric", "validation/best"),
    "val_metric": Figure("Validation metric", "metric", "validation/metric"),
    "val_loss": Figure("Validation loss, the task's criterion averaged over samples", "", "validation/loss"),
    "loss": Figure("Training objective, all its parts", "", "loss/train"),
    "loss_target": Figure("Training loss of the unmixed target", "", "loss/target"),
    "loss_mixed": Figure("Training loss of the target where patches are replaced", "", "loss/mixed"),
    "loss_source": Figure("Training loss of the source where patches are replaced", "", "loss/source"),
    "source_accuracy": Figure(
        "Decisions of the source head that are right where patches are replaced, in training",
        "share of decisions",
        "source/accuracy",
    ),
    "source_chance": Figure(
        "The same of whoever knows the source's labels alone", "share of decisions", "source/chance"
    ),
    "source_chance_loss": Figure("Training loss of whoever knows the source's labels alone", "", "source/chance_loss"),
    "lambda": Figure("λ: weight of the source in the mixed loss", "share", "replacement/lambda"),
    "replaced": Figure("Patches replaced by the curriculum", "share of target patches", "replacement/share"),
    "mixed": Figure("Samples that went through the mixed pass", "share of target samples", "replacement/mixed"),
    "gate_mean": Figure("Mean of the gate's scores", "score in (0, 1)", "gate/mean"),
    "gate_spread": Figure("Standard deviation of the gate's scores", "score in (0, 1)", "gate/spread"),
    "gate_above_threshold": Figure(
        "Source patches that the threshold lets in", "share of source patches", "gate/above_threshold"
    ),
    "otdd_before": Figure(
        "Dataset distance from target to source features before their alignment",
        "mean costs between source samples",
        "alignment/before",
    ),
    "otdd_after": Figure(
        "Dataset distance from target to source features after their alignment",
        "mean costs between source samples",
        "alignment/after",
    ),
    "mona_before": Figure(
        "Source loss after a step of fine-tuning, when MoNA's stage begins", "", "alignment/mona_before"
    ),
    "mona_after": Figure("Source loss after a step of fine-tuning, when MoNA's stage ends", "", "alignment/mona_after"),
    "lr_embedder": Figure("Learning rate of the embedder", "", "learning_rate/embedder"),
    "lr_body": Figure("Learning rate of the body", "", "learning_rate/body"),
    "lr_gate": Figure("Learning rate of the gate", "", "learning_rate/gate"),
    "lr_heads": Figure("Learning rate of the heads", "", "learning_rate/heads"),
    "samples": Figure("Target samples trained on so far", "samples", whole=True),
    "samples_per_second": Figure("Target samples trained on per second", "samples/s", "speed/samples_per_second"),
    "memory": Figure("Memory: the most on a GPU so far, else what the process holds", "GiB", "speed/memory"),
    "seconds": Figure("Time spent so far in training and validation", "s"),
}

_CLOSE = 0.98
"""Share of the loss of chance above which a source term has learnt nothing."""


def stayed_at_chance(figures: Mapping[str, float | None]) -> bool:
    """Whether an epoch's source term has learnt no more than the frequencies of the classes."""
    loss, chance = figures.get("loss_source"), figures.get("source_chance_loss")
    return loss is not None and chance is not None and loss >= _CLOSE * chance


TEST = Figure("Test metric, measured once after the search", "metric", "test/metric")
"""Test metric, which confirmation runs report after their last epoch."""
