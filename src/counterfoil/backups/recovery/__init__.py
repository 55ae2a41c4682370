"""Recovery to a second: copies of the whole server, and after each the log of everything that it wrote, brought to the store."""
