"""From a sentence to a checked workflow. Empty in this version."""
