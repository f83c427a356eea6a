"""What the driver of a sweep costs: a trial, a slot, a report."""
