"""The treasury of agents: who may spend what, and what moves between them, wholly or not at all."""
