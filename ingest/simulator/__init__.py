"""The simulated world: its publishers, companies, sentences and rhythm. Pure but for reading its own data files."""
