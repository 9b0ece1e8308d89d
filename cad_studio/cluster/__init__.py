"""Workers beyond this process: those of a Ray cluster, or of a Ray on this machine."""
