"""Runs: one side of our books against what somebody else says, once or on a schedule."""
