"""Orders on a chain once they are given: sent again, made dearer, watched, and their gas booked."""
