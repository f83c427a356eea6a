"""The user's own search space: what `--set`, `--search` and `--space-file` change, and how it is shown."""
