"""Compare each quantised or half-precision node of a file with the definition of its operator."""
