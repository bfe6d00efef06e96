"""Schedules: deployments on the work pool `seqline`, and what a run that is due has to heed."""

POOL = "seqline"
"""The work pool of all schedules."""
FLOW = "seqline"
"""The flow that they run."""
