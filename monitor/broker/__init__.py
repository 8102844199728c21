"""Which programs hold the log: protocol, kafka (how its cluster is met apart), postgres."""
