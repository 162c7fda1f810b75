"""The networks themselves, one file each."""
