"""Passages in, calibrated judgements out. The only torch of the core."""
