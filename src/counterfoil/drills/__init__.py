"""Drills: what must work on the worst day is practised before it: restored, killed, cut off; each with signed evidence."""
