"""The intermediate representation: one immutable value that says what a workflow means."""
