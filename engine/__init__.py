"""Evaluate baskets: domain modules without transport or storage; `engine.rpc` is their face."""
