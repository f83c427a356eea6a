"""The method of PaRe (arXiv 2406.09003): torch only; it knows no Ray, no data set, no file of data."""
