"""DeepSEA: 36 properties of DNA sequences."""
