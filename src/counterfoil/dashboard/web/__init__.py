"""What every page stands on: routes, sessions, forms, sections, rendering, how figures look."""
