"""The figures that Amazon CloudWatch keeps of ECS clusters."""
