"""A small ViT that reads the handwritten digits of scikit-learn: its data, training and weights."""
