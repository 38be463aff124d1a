"""The local engine: runs workflows on this machine, in processes of their own, with durable state."""
