"""Reports from run files: pages, merged runs, differences, summaries, badges, a history.

Imports only `harness.records`, `harness.errors` and `harness.files`, so it runs without torch.
"""
