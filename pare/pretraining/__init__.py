"""Pretrains the small bodies that ship with the package: `python -m pare.pretraining`."""
