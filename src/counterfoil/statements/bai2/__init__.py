"""BAI2: the cash management balance reports of North American banks."""
