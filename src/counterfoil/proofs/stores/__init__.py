"""Where proofs and backups lie a second time, beyond the reach of who runs this machine."""
