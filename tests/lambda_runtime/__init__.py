"""What AWS has round a function, for the tests: the Runtime API over HTTP, and events as an SQS mapping makes them."""
