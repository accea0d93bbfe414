"""INFER: what an installed transformers tells about an architecture by itself, for a person to
read: a tiny configuration, a first feed, axes, caches and reactions by experiment."""
