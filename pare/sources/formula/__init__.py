"""Source proxies made by formula: fractals, their masks, and signals."""
