"""Stand-ins for the outside world, from a seed: files, and servers on the loopback interface. No product code."""
