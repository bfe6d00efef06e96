"""Writing sequences: one search for every task that writes them a token at a time.

search    what the ways of writing share: who is asked, what comes out
filters   which tokens may come next
beam      the likeliest sentences, greedily with a beam of 1
sampling  drawn ones
"""

from seqline.decoding.search import GREEDY, Written, arithmetic, write

__all__ = ["GREEDY", "Written", "arithmetic", "write"]
