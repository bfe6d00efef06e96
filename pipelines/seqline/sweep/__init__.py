"""Many runs as one: a Prefect flow, an MLflow parent, children in processes of their own."""
