"""Heads shared by the tasks: hidden features → a distribution, with its loss."""
