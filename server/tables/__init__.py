"""Typed tables, and one renderer for each format that they are given out in."""
