"""Commands that print measured figures."""
