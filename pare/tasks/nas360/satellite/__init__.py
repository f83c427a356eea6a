"""Satellite: 24 kinds of land cover from time series."""
