"""Runbooks that run: checklists and playbooks as files of typed steps, answered by the machine where it can, and signed by people."""
