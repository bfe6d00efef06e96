"""The command line. `main` answers help at once; each command imports what it needs."""
