"""The actor that runs trials, one after another, in Ray Tune."""

from __future__ import annotations

from functools import partial
from typing import Any

from ray import tune
from ray.exceptions import RayActorError

from pare.errors import DiskFull, Preempted, TrainingError
from pare.search.cluster.preemption import PreemptionWatcher
from pare.search.reports import Failure
from pare.search.trial import TrialSpec, carry_out
from pare.training.launch import Launch


def never_preempt() -> bool:
    """Worker groups ignore preemption; Ray Train restarts them from the last epoch."""
    return False


class TrialActor(tune.Trainable):
    """Ray Tune's trainable: one step is one epoch. Tune reuses the actor across trials, so it imports only once."""

    _launch: Launch | None = None

    def setup(self, config: dict[str, Any]) -> None:
        self._notice = PreemptionWatcher()
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.cleanup()
        spec: TrialSpec = new_config["spec"]
        program = partial(carry_out, spec, self._notice if spec.workers.count == 1 else never_preempt)
        self._launch = Launch(program, spec.workers, spec.id.replace("/", "-"), spec.storage)
        return True

    def step(self) -> dict[str, Any]:
        """Return the next report, or the `Failure` of a run that cannot go on.

        Raises:
            RayActorError: the node will be preempted. Tune restarts the run elsewhere and counts no failure.
        """
        assert self._launch is not None  # noqa: S101 - Tune calls setup first
        try:
            figures = self._launch.next()
        except DiskFull as error:
            return Failure(str(error), disk_full=True).result()
        except Preempted:
            raise RayActorError(error_msg="its node will be taken away", preempted=True) from None
        except TrainingError as error:
            return Failure(str(error)).result()
        return {"done": True} if figures is None else dict(figures)

    def cleanup(self) -> None:
        if self._launch is not None:
            self._launch.stop()
            self._launch = None

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Do nothing: a run writes its checkpoints to its job's folder and resumes from there."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Do nothing, see `save_checkpoint`."""
