output "queue_url" {
  description = "Where producers send."
  value       = aws_sqs_queue.this.url
}

output "dead_letter_queue_url" {
  description = "For sofetch dlq."
  value       = aws_sqs_queue.dead.url
}

output "worker_role_arn" {
  description = "The keyring's key must let it in."
  value       = aws_iam_role.worker.arn
}
