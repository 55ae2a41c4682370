"""Reports over everything the books hold."""
