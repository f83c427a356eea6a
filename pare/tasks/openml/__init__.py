"""Tables of OpenML-CC18."""
