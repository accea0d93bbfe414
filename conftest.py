"""Loads the plug-in here, and not as an entry point: unrelated pytest runs never meet it."""

from __future__ import annotations

pytest_plugins = ["harness.pytest_plugin"]
