"""Runs of compiled workflows on a cluster: creating, following, steering and reading them."""
