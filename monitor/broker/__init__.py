"""Which programs hold the log: protocol, kafka (its refusals apart), postgres."""
