"""How the columns of a source become ours, and where each record came from."""
