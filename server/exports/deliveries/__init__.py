"""Deliveries: one module for each protocol, each a `server.exports.outcome.Deliverer`."""
