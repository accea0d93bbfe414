"""SHOW: scripts that show the defect of a cell to people who have no harness."""
