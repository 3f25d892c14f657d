"""The `fairboard` command: everything that is started from a shell."""
