"""Benchmarks: how long and how much memory a part of the product takes at a size that is too big for tests."""
