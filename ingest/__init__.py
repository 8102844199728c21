"""Asks sources and appends what they say to the log. Never interprets; never touches the model."""
