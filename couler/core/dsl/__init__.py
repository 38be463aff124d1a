"""The Python front end: decorators, calls and operators that build the IR."""
