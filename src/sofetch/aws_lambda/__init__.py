"""AWS Lambda: the same steps as the worker's, for batches that an SQS event source mapping hands over.

Imports no AWS SDK and nothing of the fleets: what a cold start waits for is kept small.
"""
