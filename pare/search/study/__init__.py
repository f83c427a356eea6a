"""The Optuna study of a task: its space, its samplers and pruners, and its database."""

from typing import Literal

SamplerName = Literal["tpe", "gp", "cmaes", "random"]
SchedulerName = Literal["asha", "median", "hyperband", "none"]
ShareUnit = Literal["seconds", "epochs", "trials"]
