"""Networks that learn: backbones, one file per family, the heads around them, the slow copy."""
