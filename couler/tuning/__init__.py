"""Hyperparameter sweeps. Empty in this version."""
