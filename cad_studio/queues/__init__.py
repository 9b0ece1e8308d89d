"""Orders of what to annotate next, one file each."""
