"""A run's own record on this disk: what it is, who holds it, how far it is, what it measured."""
