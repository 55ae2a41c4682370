"""How things are found: the rail of all pages, a list of each noun, and one field that finds any of them."""
