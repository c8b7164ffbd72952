"""Usage of a trained model, counted where it leaves, in a log that can only grow.

What a model earns is shared among those who sold the data for it (paper, section 9.4). The meter
stands before the model's server, writes an event for each answer into an append-only Merkle log,
and gives the customer a receipt. Each period's root and revenue go on chain together with the
payment itself, so whoever has the log can check every unit of it.
"""
