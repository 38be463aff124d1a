"""The engine-neutral middle: what a workflow is, how it is written and how it is rewritten."""
