"""Pages that are drawn: what was compared, and where the money lies."""
