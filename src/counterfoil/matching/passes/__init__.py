"""The passes, one file each, and the order in which they run."""
