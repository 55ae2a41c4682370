"""The sentinel: what must always hold, whether it does, and who does what when it does not. It looks at all, and writes only its own."""
