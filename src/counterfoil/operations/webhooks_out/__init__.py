"""Webhooks out: what happens here, told to partners' endpoints, signed, again and again until it is taken."""
