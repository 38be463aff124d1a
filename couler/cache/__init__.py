"""Remembering the outputs of steps. Empty in this version."""
