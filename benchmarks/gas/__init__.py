"""Gas of every function, from receipts: run `python -m benchmarks.gas`."""
