"""Evaluate stored baskets again under other campaigns, and say what they would have cost."""
