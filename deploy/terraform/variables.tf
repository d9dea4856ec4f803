variable "pipeline" {
  description = "Name of the pipeline, as [pipeline] name in the configuration; part of all names."
  type        = string
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.pipeline))
    error_message = "Two to 31 of a-z, 0-9 and hyphens, a letter first."
  }
}

variable "image" {
  description = "The image by its digest, built by deploy/container/Dockerfile, with the configuration in it."
  type        = string
  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image))
    error_message = "Name the image by its digest: REPOSITORY@sha256:..."
  }
}

variable "repository_arn" {
  description = "ARN of the ECR repository that holds it."
  type        = string
}

variable "vpc_id" {
  type = string
}

variable "subnet_ids" {
  description = "Private subnets from which ECR, SQS, Secrets Manager, KMS and CloudWatch Logs are reached."
  type        = list(string)
}

variable "database" {
  description = "Where the database is, its security group, and the secret with the password of the user that loads."
  type = object({
    host              = string
    name              = string
    user              = string
    security_group_id = string
    secret_arn        = string
    secret_key_arn    = string
    root_certificates = optional(string, "/etc/ssl/certs/ca-certificates.crt")
  })
}

variable "keyring" {
  description = "The secret that holds the keyring, and its KMS key."
  type = object({
    secret_arn = string
    key_arn    = string
  })
}

variable "producer_arn" {
  description = "ARN of the role that sends to the queue."
  type        = string
}

variable "alarm_topic_arn" {
  description = "SNS topic that is told."
  type        = string
}

variable "queue_retention_seconds" {
  description = "How long an outage may last. The dead-letter queue keeps messages for 14 days."
  type        = number
  default     = 345600
  validation {
    condition     = var.queue_retention_seconds >= 86400 && var.queue_retention_seconds <= 1123200
    error_message = "One to 13 days: less than the dead-letter queue's 14."
  }
}

variable "tasks" {
  description = "Fewest and most workers. Each holds up to 5,000 messages, and SQS allows 120,000 in flight."
  type        = object({ min = number, max = number })
  default     = { min = 1, max = 8 }
  validation {
    condition     = var.tasks.min >= 1 && var.tasks.min <= var.tasks.max && var.tasks.max <= 16
    error_message = "1 <= min <= max <= 16."
  }
}

variable "backlog_per_task" {
  description = "Waiting messages for each running task that the service is held at."
  type        = number
  default     = 20000
}
