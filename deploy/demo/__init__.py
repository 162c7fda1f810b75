"""The demonstration and its synthetic CT."""
