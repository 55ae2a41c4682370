"""Files of movements into the books."""
