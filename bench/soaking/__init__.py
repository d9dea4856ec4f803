"""The soak: workers under steady load for a long time, one of them killed now and then, and everything counted."""
