"""The Ray cluster of a sweep: its connection, its workers, their prices and their failures."""
