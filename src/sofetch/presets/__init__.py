"""The shipped example: a configuration, eleven messages, and as many invented ones like them as are wanted."""
