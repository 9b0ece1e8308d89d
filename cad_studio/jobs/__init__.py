"""Background work: queue, progress, cancellation."""
