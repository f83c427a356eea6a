"""The ten tasks of NAS-Bench-360, a folder each."""
