"""Source proxies of text, and their tokenizer."""
