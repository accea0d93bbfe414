"""ISOLATION: each cell is judged in a process of its own kind, watched from outside.

A *judge* is a child process that judges one cell after the other. Whoever runs cells supervises it:
a cell that crashes, hangs, eats memory, prints without end or leaves something behind costs its own
records and at most that child. Import-light: only the child imports torch.
"""
