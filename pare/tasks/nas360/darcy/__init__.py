"""Darcy flow: from a permeability field to the pressure."""
