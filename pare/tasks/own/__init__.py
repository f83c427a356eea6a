"""Tasks of the user's own data."""
