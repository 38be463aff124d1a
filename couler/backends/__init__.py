"""Engines: each folder compiles workflows for one engine, or runs them."""
