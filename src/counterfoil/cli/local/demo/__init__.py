"""The demo: a day of real work, and what starts it."""
