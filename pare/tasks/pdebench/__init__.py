"""The equations of PDEBench, a file each."""
