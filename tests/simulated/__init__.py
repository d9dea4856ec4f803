"""A world of simulated workers on one queue, stepped on a fake clock; see ``world``."""
