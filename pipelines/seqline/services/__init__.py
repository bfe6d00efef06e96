"""The servers a run talks to: Prefect's, MLflow's; found, started, stopped."""
