"""Shows and asks. Writes only labels, rules, silences and acknowledgements, through monitor.store."""
