"""sofetch moves events that hold personal data from Amazon SQS into Postgres, pseudonymised on the way."""

__version__ = "0.1.0"
