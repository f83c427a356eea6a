"""Source proxies of photographs."""
