"""Drills that take processes of this machine: payments at the simulator while workers, webhooks or the database are taken away."""
