"""The UCR archive of time series."""
