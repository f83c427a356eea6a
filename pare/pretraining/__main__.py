"""Pretrains the small bodies of this package: `python -m pare.pretraining BODY`.

The body learns to tell fractals (2D) or signals (1D) apart, made by formula, no sample twice; or kinds of text (1D), of
Python's standard library, which is always there. The same command again goes on where the last one ended. It takes some
10 minutes on one core.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from cyclopts import App
from rich.progress import Progress

from pare.errors import RequestError, TrainingError
from pare.pretraining.card import finished, leave
from pare.pretraining.objectives import BodyName
from pare.pretraining.trainer import EVERY, Pretraining, PretrainingRecipe
from pare.terminal import print_anywhere


def run(body: BodyName, recipe: PretrainingRecipe, out: Path) -> None:
    """Pretrain a body by a recipe and leave it in the folder `out`; what was begun goes on, what is done stays."""
    if finished(out, asdict(recipe)):
        print(f"{out} holds {body} by this recipe already")
        return
    work = Pretraining(body, recipe)
    out.mkdir(parents=True, exist_ok=True)
    checkpoint = out / "checkpoint.safetensors"
    if checkpoint.is_file():
        work.restore(checkpoint)
    with Progress() as bars:
        bar = bars.add_task(body, total=recipe.steps, completed=work.state.step)
        while work.state.step < recipe.steps:
            work.step()
            bars.update(bar, completed=work.state.step)
            if work.state.step % EVERY == 0:
                work.save(checkpoint)
                figures = ", ".join(f"{name} {value:.4g}" for name, value in work.state.curve[-1].items())
                bars.console.print(figures, highlight=False)
    leave(work.body, work.model.embedder, work.lesson.tokenizer, out, asdict(recipe), asdict(work.state))
    checkpoint.unlink(missing_ok=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns its exit code."""
    print_anywhere()
    app = App(name="pare.pretraining", help=__doc__, help_format="plaintext", version_flags=[])

    @app.default
    def _(body: BodyName, /, *, recipe: PretrainingRecipe = PretrainingRecipe(), out: Path | None = None) -> None:  # noqa: B008 - frozen
        """Pretrain BODY.

        Parameters
        ----------
        out
            Folder for the weights, their card and curve; its name is the body's on the card. [default:
            runs/pretrain/BODY]
        """
        run(body, recipe, out or Path("runs/pretrain") / body)

    torch.set_num_threads(1)  # sums in another order would not repeat the recorded losses to the last digits
    try:
        app(arguments, result_action="return_value")
    except (RequestError, TrainingError) as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, RequestError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
