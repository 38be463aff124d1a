"""Ready-made steps, written on the same verbs that programs use."""
