"""The output directory of a sweep: its layout, its lock and lease, and its copy in a bucket."""
