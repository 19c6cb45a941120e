"""Exactly one certificate per device, whatever happens: kills, faults, signals and a refusing disk."""
