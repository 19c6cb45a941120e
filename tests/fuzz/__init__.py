"""Inputs made by chance, held against what must always be: a short run in the tests, long ones by hand."""
