"""Reading, splitting and storing data, shared by the tasks."""
