"""A companion for those who sell: it does what is due for their bids, and warns before deadlines.

companion     the loop: one look at the chain, then everything that is due
tasks         pure: what comes next for each bid, until when, and why it is not done by itself
holdings      the bid book, or shares of others' bids, read again in every cycle
actions       turns a task into the call of a contract
openings      openings of samples, made in threads
notices       what people are told: kept, sent once, tried again; `channels` carry it
words         how they are told
journal       SQLite: index of logs, transactions, notices, bids that are over
settings      the one place that reads files and environment for configuration

Loop, outbox, index of logs and failures are those of `oracles.service`; what comes next for a bid
is said by `oracles.market.schedule`, for people and for the companion alike.
"""
