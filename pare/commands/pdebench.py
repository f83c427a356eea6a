"""Sweep PaRe over the eight tasks of PDEBench, posed as ORCA and PaRe pose them: the first frame in, a late one out.

pare pdebench
    laptop: small bodies, all eight tasks, their equations solved here; --plan estimates how long that takes: an epoch
    1 s of CPU time on a line and 3 to 7 s in the plane, solving all equations 200 s. No task's model reaches its
    trivial predictor at this size.
pare pdebench --preset paper --tasks pde-advection
    paper: Swin-B and RoBERTa-B, official files below --data-root; without them the equations are solved at full size.

Read every result beside the task's trivial predictor (`pare.data.baselines`), which learns next to nothing. Its nRMSE
on the laptop's test data: advection 0.003 (a shift), Burgers 5e-8 (the mean), diffusion-reaction 0.0016 (logistic
growth of the mean), Navier-Stokes 0.18 (conserved means), diffusion-sorption 2e-6 and shallow water 2e-4 (interpolation
in one number), Darcy 0.08 (the steady state), diffusion-reaction 2D 0.56 (a linear filter).
`pde-diffusion-reaction-2d-full` is the last with nothing hidden, both fields in and both out (filter: 0.27).
PDEBench's own form, ten frames in and the rest out, have `pde-advection-rollout` (shift: 0.0014) and
`pde-diffusion-reaction-2d-rollout` (filter: 0.12).
"""

from collections.abc import Sequence

from pare.search import command
from pare.search.request import Preset, PresetName

TASKS = (
    "pde-advection",
    "pde-burgers",
    "pde-diffusion-reaction",
    "pde-navier-stokes",
    "pde-diffusion-sorption",
    "pde-darcy",
    "pde-shallow-water",
    "pde-diffusion-reaction-2d",
)
PRESETS: dict[PresetName, Preset] = {
    "laptop": Preset(tasks=TASKS, trials=3, seeds=2),
    "paper": Preset(tasks=TASKS, trials=40, seeds=3),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sweep of a command line; return its exit code."""
    return command.main("pdebench", __doc__, PRESETS, arguments)
