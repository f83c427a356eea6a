"""Spherical: CIFAR-100 projected on the sphere."""
