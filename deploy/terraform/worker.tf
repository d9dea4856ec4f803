# The worker on Fargate, as deploy/cloudformation/fargate.yaml has it.

resource "aws_cloudwatch_log_group" "this" {
  name              = "/ecs/${local.name}"
  retention_in_days = 30
}

resource "aws_security_group" "tasks" {
  name        = "${local.name}-tasks"
  description = "sofetch ${var.pipeline}, the tasks. Nobody calls them."
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_egress_rule" "database" {
  security_group_id            = aws_security_group.tasks.id
  description                  = "PostgreSQL"
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
  referenced_security_group_id = var.database.security_group_id
}

resource "aws_vpc_security_group_egress_rule" "aws" {
  security_group_id = aws_security_group.tasks.id
  description       = "AWS services, by endpoints or a NAT"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  cidr_ipv4         = "0.0.0.0/0"
}

resource "aws_vpc_security_group_ingress_rule" "database" {
  security_group_id            = var.database.security_group_id
  description                  = "sofetch ${var.pipeline}, the tasks"
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
  referenced_security_group_id = aws_security_group.tasks.id
}

resource "aws_ecs_cluster" "this" {
  name = local.name
  # The scaling needs its RunningTaskCount.
  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_ecs_task_definition" "this" {
  family                   = local.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 1024
  memory                   = 2048
  execution_role_arn       = aws_iam_role.start.arn
  task_role_arn            = aws_iam_role.worker.arn
  runtime_platform {
    cpu_architecture        = "ARM64"
    operating_system_family = "LINUX"
  }
  container_definitions = jsonencode([{
    name                   = "worker"
    image                  = var.image
    essential              = true
    command                = ["run"]
    user                   = "10001:10001"
    readonlyRootFilesystem = true
    linuxParameters        = { initProcessEnabled = true, capabilities = { drop = ["ALL"] } }
    # Longer than a statement's limit and [worker] shutdown_grace_seconds together; Fargate allows no more.
    stopTimeout = 120
    # Whether the worker lives. Not /health: a worker that waits for the database must not be ended for it.
    healthCheck = {
      command = [
        "CMD", "python", "-c",
        "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/livez', timeout=3)",
      ]
      interval    = 30
      timeout     = 5
      retries     = 3
      startPeriod = 60
    }
    environment = [for name, value in {
      AWS_DEFAULT_REGION    = data.aws_region.this.name
      SOFETCH_CONFIG        = "/etc/sofetch/sofetch.toml"
      SOFETCH_PIPELINE_NAME = var.pipeline
      SOFETCH_SOURCE_QUEUE  = aws_sqs_queue.this.url
      SOFETCH_KEYS_SECRET   = var.keyring.secret_arn
      SOFETCH_HTTP_LISTEN   = "127.0.0.1:8080"
      SOFETCH_LOG_FORMAT    = "json"
      SOFETCH_SINK_DSN = join(" ", [
        "host=${var.database.host} port=5432 dbname=${var.database.name} user=${var.database.user}",
        "sslmode=verify-full sslrootcert=${var.database.root_certificates}",
      ])
    } : { name = name, value = value }]
    # libpq reads it. A new password needs new tasks.
    secrets = [{ name = "PGPASSWORD", valueFrom = "${var.database.secret_arn}:password::" }]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this.name
        awslogs-region        = data.aws_region.this.name
        awslogs-stream-prefix = "worker"
        # A log that cannot be written must not hold the messages up.
        mode            = "non-blocking"
        max-buffer-size = "4m"
      }
    }
  }])
}

resource "aws_ecs_service" "this" {
  name            = local.name
  cluster         = aws_ecs_cluster.this.id
  task_definition = aws_ecs_task_definition.this.arn
  launch_type     = "FARGATE"
  desired_count   = var.tasks.min
  propagate_tags  = "SERVICE"
  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.tasks.id]
    assign_public_ip = false
  }
  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }
  lifecycle {
    # The scaling sets it, and an apply would set it back.
    ignore_changes = [desired_count]
  }
  depends_on = [aws_iam_role_policy.start, aws_iam_role_policy.worker, aws_vpc_security_group_ingress_rule.database]
}

resource "aws_appautoscaling_target" "this" {
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${aws_ecs_cluster.this.name}/${aws_ecs_service.this.name}"
  min_capacity       = var.tasks.min
  max_capacity       = var.tasks.max
}

resource "aws_appautoscaling_policy" "backlog" {
  name               = "${local.name}-backlog-per-task"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this.service_namespace
  scalable_dimension = aws_appautoscaling_target.this.scalable_dimension
  resource_id        = aws_appautoscaling_target.this.resource_id
  target_tracking_scaling_policy_configuration {
    target_value       = var.backlog_per_task
    scale_out_cooldown = 120
    scale_in_cooldown  = 600
    customized_metric_specification {
      metrics {
        id          = "waiting"
        label       = "Messages that wait; those in flight are held by tasks already"
        return_data = false
        metric_stat {
          stat = "Maximum"
          metric {
            namespace   = "AWS/SQS"
            metric_name = "ApproximateNumberOfMessagesVisible"
            dimensions {
              name  = "QueueName"
              value = aws_sqs_queue.this.name
            }
          }
        }
      }
      metrics {
        id          = "tasks"
        label       = "Running tasks"
        return_data = false
        metric_stat {
          stat = "Average"
          metric {
            namespace   = "ECS/ContainerInsights"
            metric_name = "RunningTaskCount"
            dimensions {
              name  = "ClusterName"
              value = aws_ecs_cluster.this.name
            }
            dimensions {
              name  = "ServiceName"
              value = aws_ecs_service.this.name
            }
          }
        }
      }
      metrics {
        id          = "backlog"
        label       = "Waiting messages for each task"
        expression  = "waiting / tasks"
        return_data = true
      }
    }
  }
}
