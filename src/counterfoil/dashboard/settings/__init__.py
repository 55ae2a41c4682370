"""The settings of an installation: its people, its keys, and what is limited."""
