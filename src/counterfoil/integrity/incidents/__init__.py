"""Incidents: what people answer within a time, from the first alert to the post-mortem."""
