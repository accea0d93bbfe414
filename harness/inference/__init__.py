"""What an installed transformers tells about an architecture by itself."""
