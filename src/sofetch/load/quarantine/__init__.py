"""What is done with quarantined messages after the load: read, exported, purged, replayed."""
