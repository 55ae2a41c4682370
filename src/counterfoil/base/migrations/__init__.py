"""The schema, as plain `.sql` files in the order of their numbers, and the runner that applies them."""
