"""Commands about secrets of this machine: encryption keys, and the password of the database."""
