"""How Coxa is shown and installed."""
