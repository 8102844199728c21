"""Which programs hold the log: protocol, kafka, postgres."""
