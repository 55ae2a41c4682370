"""One file of routes for each noun, in a folder for each part."""
