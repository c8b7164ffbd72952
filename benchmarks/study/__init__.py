"""The study's results, and what they are held against."""
