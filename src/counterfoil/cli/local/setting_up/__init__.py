"""How an installation begins: the first program, its provider, and the first people."""
