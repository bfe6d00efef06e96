"""The configuration: composed by Hydra from YAML and the installed plugins, checked, made plain."""
