"""Training of Coxa's networks; needs nothing of the node."""
