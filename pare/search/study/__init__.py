"""The Optuna study of a task: its space, its samplers and pruners, and its database."""
