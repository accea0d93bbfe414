"""Level 3 of the description: one module per family, imported when they are asked for."""
