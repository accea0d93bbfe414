"""ISOLATION: cells are judged in a child process that the parent watches.

A *judge* is a child process that judges one cell after the other. The parent process supervises it.
A cell may crash, hang, use too much memory, print without end or change global state: only its own
records are affected, and the child is replaced if necessary. Import-light: only the child imports
torch.
"""
