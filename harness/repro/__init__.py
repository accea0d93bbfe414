"""SHOW: standalone scripts that show the defect of a cell without the harness."""
