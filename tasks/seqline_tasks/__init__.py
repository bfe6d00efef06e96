"""The built-in tasks, one module or folder each, over the shared data and metric code."""
