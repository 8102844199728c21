"""The core: what an article is, how it is labelled, stored, counted and alerted on."""
