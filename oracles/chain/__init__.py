"""Access to the contracts: typed data and packing, wrappers, transactions, events, deployment.

`packing`, `typed_data` and `terms` are pure; everything else talks to a node. Nothing here decides
anything about an auction.
"""
