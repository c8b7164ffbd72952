"""What the impact score is measured by."""
