"""Arms of the method against each other on fresh seeds: `python -m tests.bench.study --help`."""
