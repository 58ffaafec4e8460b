"""Export queues: triggers, transforms, deliveries, and what dispatches them.

An event is placed in its queues in the transaction that makes it (`server.storage.exports`); from
then on its rows are the truth. A dispatcher takes what is due, transforms it in a child process,
delivers it, and records what became of it. See docs/exports.md.
"""
