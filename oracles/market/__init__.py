"""The two sides of an auction, provider and buyer: data, keys and contracts put together."""
