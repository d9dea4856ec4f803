"""What is stored under earlier keys, renewed under the primary one."""
