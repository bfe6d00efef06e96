"""The task: what is learned. `task.py` names its parts, each of which has a file here.

A plugin imports them from `seqline_plugins`. Each part's source enters the digest of the stages
that use it, so that changing a metric retrains nothing.
"""
