"""What runs inside a step: standard library only, so that it works in the bare Python of any image."""
