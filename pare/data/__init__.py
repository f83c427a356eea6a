"""The task interface, and everything that reads, checks, prepares and stores a task's data."""
