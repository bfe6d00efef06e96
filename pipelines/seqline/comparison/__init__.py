"""Runs side by side: read from MLflow, seeds put together, shown as a table."""
