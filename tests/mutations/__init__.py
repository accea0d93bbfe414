"""Seeded mutations of the engine: small changes of code that some test has to refuse."""
