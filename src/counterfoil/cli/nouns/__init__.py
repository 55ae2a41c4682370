"""One file of commands for each noun, in a folder for each part."""
