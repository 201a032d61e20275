"""What the vendors publish of their APIs, as data (``*.yaml``), and whether a request keeps to it. No answers here."""
