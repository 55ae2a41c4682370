"""Notices: what is told to people on their channels, through rows that survive a crash."""
