# Each names its part of the runbook.

locals {
  alarms = {
    oldest-message = {
      description = "Messages wait too long. docs/runbook.md#oldest-message"
      metric      = "ApproximateAgeOfOldestMessage", queue = aws_sqs_queue.this.name, above = 900, minutes = 5
    }
    dead-letters = {
      description = "Messages are in the dead-letter queue. docs/runbook.md#dead-letters"
      metric      = "ApproximateNumberOfMessagesVisible", queue = aws_sqs_queue.dead.name, above = 0, minutes = 1
    }
    in-flight = {
      description = "Two thirds of what SQS allows in flight. docs/runbook.md#in-flight"
      metric      = "ApproximateNumberOfMessagesNotVisible", queue = aws_sqs_queue.this.name, above = 80000, minutes = 3
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "queue" {
  for_each            = local.alarms
  alarm_name          = "${local.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = "AWS/SQS"
  metric_name         = each.value.metric
  dimensions          = { QueueName = each.value.queue }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = each.value.minutes
  threshold           = each.value.above
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.alarm_topic_arn]
  ok_actions          = [var.alarm_topic_arn]
}

resource "aws_cloudwatch_metric_alarm" "missing_tasks" {
  alarm_name          = "${local.name}-missing-tasks"
  alarm_description   = "Fewer workers run than should. docs/runbook.md#missing-tasks"
  namespace           = "ECS/ContainerInsights"
  metric_name         = "RunningTaskCount"
  dimensions          = { ClusterName = aws_ecs_cluster.this.name, ServiceName = aws_ecs_service.this.name }
  statistic           = "Minimum"
  period              = 60
  evaluation_periods  = 10
  threshold           = var.tasks.min
  comparison_operator = "LessThanThreshold"
  treat_missing_data  = "breaching"
  alarm_actions       = [var.alarm_topic_arn]
  ok_actions          = [var.alarm_topic_arn]
}
