"""Find, download and safely read official files."""
