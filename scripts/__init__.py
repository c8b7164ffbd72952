"""What is run from a checkout: build, set-up, deployment, the demonstration."""
