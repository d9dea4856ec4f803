"""What the console asks of the database: in sessions that can only read, and by one that can only ask.

Nothing here reads a sealed body, and no query gives a value of a column in the clear.
"""
