"""What is wrong with a run and its data, in figures: arrays in, arrays or tables out, no plots."""
