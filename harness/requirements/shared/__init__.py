"""What requirements are made of: their form, comparisons of arrays, and blame."""
