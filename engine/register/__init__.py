"""Registers: what sales add up to, X and Z reports, the drawer, and their JSON."""
