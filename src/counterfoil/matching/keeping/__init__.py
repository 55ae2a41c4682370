"""What a run computed of a file and kept, so that a later run over the same bytes need not compute it again."""
