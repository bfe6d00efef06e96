"""seqline: one command from data to an exported sequence model."""

__version__ = "0.1.0"
