"""Hydra configuration: config.yaml and the groups data, trainer, tracking, runner, experiment."""
