"""The rules that a workflow keeps, by what they look at; `couler.core.ir.validate` lists them all."""
