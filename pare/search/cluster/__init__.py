"""The Ray cluster of a sweep: its connection, its workers, what they cost, and what fails on them."""
