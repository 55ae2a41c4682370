"""`counterfoil backup …`: made, listed, verified, pruned and restored on this machine, also while nothing else of counterfoil runs."""
