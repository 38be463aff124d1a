"""Upstream Couler's programming interface over the builder, for programs that were written for it."""
