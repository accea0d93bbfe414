"""Train the ViT whose weights are committed: `python -m tests.real.digits.train`."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy
from transformers import ViTConfig, ViTForImageClassification

from tests.real.digits.data import load

FOLDER = Path(__file__).parent / "model"
EPOCHS, BATCH, RATE = 50, 64, 3e-3


def train() -> ViTForImageClassification:
    """Return the trained model, in eval mode."""
    torch.manual_seed(0)
    learnt, _ = load()
    model = ViTForImageClassification(
        ViTConfig(
            hidden_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=96,
            hidden_dropout_prob=0.1,
            initializer_range=0.1,
            image_size=8,
            patch_size=2,
            num_channels=1,
            num_labels=10,
        )
    )
    steps = EPOCHS * -(-len(learnt.labels) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    model.train()
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(learnt.labels)).split(BATCH):
            logits = model(pixel_values=learnt.pixels[chosen]).logits
            loss = cross_entropy(logits, learnt.labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def main() -> None:
    model = train()
    _, tested = load()
    with torch.no_grad():
        found = model(pixel_values=tested.pixels).logits.argmax(dim=1)
    right = (found == tested.labels).float().mean()
    model.save_pretrained(FOLDER)
    sys.stdout.write(f"{100 * right:.1f} % of {len(found)} test images are read right\n")


if __name__ == "__main__":
    main()
