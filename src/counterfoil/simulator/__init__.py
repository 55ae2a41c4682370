"""A payment provider with faults, in a process of its own; its journal on disk is the oracle of what really happened to the money."""
