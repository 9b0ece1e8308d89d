"""The training loop, once: data, views, steps, checkpoints and metrics."""
