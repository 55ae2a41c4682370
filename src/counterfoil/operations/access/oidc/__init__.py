"""Logging in by an OpenID provider: somebody else says who it is, and an administrator said before which person that is here."""
