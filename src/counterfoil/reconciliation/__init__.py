"""The world against us: runs of our books against what others say, the breaks they find, bank statements, client money, reports."""
