# Two records of one name, each in the state of its region: the primary's counts as long as its health check is healthy, and that
# one reads the marker of the DR region. Neither is changed in an outage. Whether the load balancers are well is not asked: a
# pilot light would be the answer to a release that fails.
resource "aws_route53_record" "this" {
  for_each = var.dns == null ? toset([]) : toset(["A"])

  zone_id = var.dns.zone_id
  name    = var.dns.name
  type    = each.value

  set_identifier  = var.dns.failover == null ? null : "${lower(var.dns.failover)}-${data.aws_region.current.region}"
  health_check_id = var.dns.health_check_id

  alias {
    name                   = aws_lb.this.dns_name
    zone_id                = aws_lb.this.zone_id
    evaluate_target_health = false
  }

  dynamic "failover_routing_policy" {
    for_each = var.dns.failover == null ? [] : [var.dns.failover]

    content {
      type = failover_routing_policy.value
    }
  }
}
