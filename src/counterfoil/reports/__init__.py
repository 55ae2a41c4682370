"""Reports over everything the books hold, as files for people and programs."""
