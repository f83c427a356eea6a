"""Cosmic rays in images of the Hubble telescope."""
