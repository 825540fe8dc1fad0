"""Mend as a whole: the project's own template and binaries in the local cloud, from event to settled row."""
