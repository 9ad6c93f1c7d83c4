"""Measurements that a reader can repeat: compression, cycles, speed."""
