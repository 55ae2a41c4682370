"""Who did what: the log of actions taken by hand."""
