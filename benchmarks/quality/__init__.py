"""What the quality score is measured by."""
