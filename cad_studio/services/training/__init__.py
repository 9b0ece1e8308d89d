"""Training: what can be asked for, runs, and runs that travel."""
