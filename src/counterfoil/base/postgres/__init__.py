"""A PostgreSQL of our own: its programs, its settings, and how it is started and stopped."""
