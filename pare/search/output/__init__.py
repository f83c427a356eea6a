"""The output directory of a sweep: its layout, who holds it, and its copy in a bucket."""
