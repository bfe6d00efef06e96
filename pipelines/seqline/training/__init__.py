"""Training: batches, the optimizer and its schedule, the loop, checkpoints."""
