"""The host of every cell: the loop over time, its kernels, layers, directions and lengths.

reference   the plain loop: the specification
weights     a gated cell's parameters
window      the earlier inputs that a gate may read
vendor      torch's own RNN, LSTM and GRU layers, where they compute the same thing
kernels     which of them serves
layer       one cell in one direction over a padded batch
stack       layers and directions, with dropout between
"""

from seqline_plugins.recurrence.stack import RecurrentStack

__all__ = ["RecurrentStack"]
