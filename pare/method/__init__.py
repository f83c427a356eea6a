"""The method of PaRe (arXiv 2406.09003): it imports torch, but no Ray, and reads no data set and no data file."""
