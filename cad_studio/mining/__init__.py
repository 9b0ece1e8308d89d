"""Which samples are entangled: neighbours, pairs, beliefs."""
