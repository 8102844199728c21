"""Labels -> a candidate model -> the gate."""
