"""The command ``couler``: parse, call, print."""
