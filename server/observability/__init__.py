"""What a running server tells of itself: counters, and how they are written for Prometheus."""
