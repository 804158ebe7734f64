"""The rules for policies and for what tasks are given are themselves checked: check.py runs this in its step `rules`."""

import json
import unittest

import check


def allow(**more):
    return {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::b/*"], **more}


class Rungs(unittest.TestCase):
    def test_each_row_has_a_command_and_what_it_must_print(self):
        def ladder(row, also=""):
            table = "| what | command | what it must print |\n| --- | --- | --- |\n"
            return f"# x\n\n## Only on rung 6\n\n{table}{row}\n{also}\n## Only on rung 7\n\n{table}{row}\n"

        good = "| an object \\| a copy | `aws s3 ls` | `PRE` |"
        self.assertIn("2 things", check.rungs(ladder(good)))
        for wrong in ("| a | look | `x` |", "| a | `magic` | `x` |", "| a | `aws s3 ls` | |", "| a | `aws s3 ls` |", ""):
            with self.assertRaises(check.Failed, msg=wrong):
                check.rungs(ladder(wrong))
        for text in (ladder(good, "- and that"), "# x\n\n## Only on rung 6\n"):
            with self.assertRaises(check.Failed, msg=text):
                check.rungs(text)


class Acceptance(unittest.TestCase):
    def test_what_is_not_there_is_told(self):
        good = "| 1 | VPC | `aws_vpc.this` | `networking` / `defaults`; `check.py` / `promises`; `environments/dr` / `bad_values`; `tests/tests/stack.rs` | |\n"

        def page(row, head="| | item | resource | test | not met |"):
            return f"# x\n\n{head}\n| --- | --- | --- | --- | --- |\n{good * 40}{row}\n"

        self.assertIn("41 rows", check.accepted_by(page(good)))
        for old, new in (("aws_vpc.this", "aws_vpc.that"), ("`defaults`", "`default`"), ("promises", "promised"), ("bad_values", "good_values"), ("stack.rs", "stick.rs"), ("| |", "|")):
            with self.assertRaises(check.Failed, msg=new):
                check.accepted_by(page(good.replace(old, new)))
        with self.assertRaises(check.Failed):
            check.accepted_by(page(good, "| | item | resource | test | met |"))
        with self.assertRaises(check.Failed):
            check.accepted_by(good)


class Order(unittest.TestCase):
    def test_logs_wait_for_a_policy_and_what_is_sealed_for_a_key(self):
        policy, key = "module.storage.aws_s3_bucket_policy.this", "module.security.aws_kms_key.this"
        sealed = ("database.aws_db_instance", "cache.aws_elasticache_replication_group", "storage.aws_s3_bucket_server_side_encryption_configuration")
        sealed += ("database.aws_secretsmanager_secret", "registry.aws_ecr_repository", "monitoring.aws_sns_topic")
        edges = [(f"module.{one}.this", key) for one in sealed]
        # By way of another one.
        edges += [("module.cdn.aws_cloudwatch_log_delivery.this", "module.cdn.x.this"), ("module.cdn.x.this", policy), ("module.application.aws_lb.this", policy)]

        def graph(pairs):
            return "\n".join(f'  "{one}" -> "{other}";' for one, other in pairs)

        check.ordered(graph(edges))
        for index, (one, _) in enumerate(edges):
            with self.assertRaises(check.Failed, msg=one):
                check.ordered(graph([*edges[:index], (one, "module.other.x.this"), *edges[index + 1 :]]))
        with self.assertRaises(check.Failed):
            check.ordered("digraph {}")


class Statements(unittest.TestCase):
    def told(self, statement, of_identity=True):
        return "; ".join(check.flaws(statement, of_identity))

    def test_a_narrow_statement_is_fine(self):
        self.assertEqual(self.told(allow()), "")
        held = {"StringEquals": {"aws:SourceAccount": "1"}}
        self.assertEqual(self.told(allow(Principal={"Service": "events.amazonaws.com"}, Condition=held), False), "")
        self.assertEqual(self.told({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}, False), "")

    def test_everybody_and_services_of_any_account_are_told(self):
        for principal in ("*", {"AWS": "*"}, {"AWS": ["*"]}):
            self.assertIn("everybody", self.told(allow(Principal=principal), False), principal)
        self.assertIn("any account", self.told(allow(Principal={"Service": "sns.amazonaws.com"}), False))

    def test_one_object_may_be_read_from_few_networks(self):
        held = {"IpAddress": {"aws:SourceIp": ["15.177.0.0/18", "54.228.16.0/26"]}}
        one = allow(Principal="*", Resource=["arn:aws:s3:::b/failed-over"], Condition=held)
        self.assertEqual(self.told(one, False), "")
        for change in (
            {"Resource": ["arn:aws:s3:::b/*"]}, {"Action": ["s3:PutObject"]}, {"Condition": {}},
            {"Condition": {"IpAddress": {"aws:SourceIp": ["15.177.0.0/18", "0.0.0.0/0"]}}},
        ):
            self.assertIn("everybody", self.told(one | change, False), change)

    def test_width_is_told(self):
        self.assertIn("every resource", self.told(allow(Resource="*")))
        self.assertEqual(self.told(allow(Resource=["*"], Sid="Look")), "")
        for action in ("*", "s3:*"):
            self.assertIn("allows", self.told(allow(Action=action)), action)
        for key in ("NotAction", "NotResource", "NotPrincipal"):
            self.assertIn(key, self.told(allow(**{key: "x"})))

    def test_grants_are_for_services_of_aws_through_one(self):
        grant = allow(Action=["kms:CreateGrant"], Condition={"Bool": {"kms:GrantIsForAWSResource": "true"}})
        self.assertIn("grants", self.told(grant))
        grant["Condition"]["StringEquals"] = {"kms:ViaService": "rds.ca-central-1.amazonaws.com"}
        self.assertEqual(self.told(grant), "")

    def test_a_plan_is_looked_through(self):
        def plan(statement, shown="nothing"):
            policy = {"type": "aws_sqs_queue_policy", "address": "queue", "mode": "managed", "values": {"policy": json.dumps({"Statement": [statement] * 20})}}
            token = {"type": "random_password", "address": "token", "mode": "managed", "values": {"result": "hunter2"}}
            return {"planned_values": {"root_module": {"resources": [policy, token]}, "outputs": {"x": {"value": {"in": shown}}}}}

        check.permissions(plan(allow()))
        for wrong in (plan(allow(Principal="*")), plan(allow(), "a hunter2 z")):
            with self.assertRaises(check.Failed):
                check.permissions(wrong)
        # A plan without policies was not read.
        with self.assertRaises(check.Failed):
            check.permissions({"planned_values": {"root_module": {}, "outputs": {}}})


class Wiring(unittest.TestCase):
    WANTED = {"DATABASE_CREDENTIALS": "arn:of-the-application", "REDIS_CREDENTIALS": "arn:of-redis"}
    OUTPUTS = {"db_credentials_secret_arn": "arn:of-the-application", "redis_credentials_secret_arn": "arn:of-redis"}

    def told(self, *containers, asked=True):
        text = json.dumps([{"name": "app", "secrets": [{"name": name, "valueFrom": arn} for name, arn in one.items()]} for one in containers])
        task = {"type": "aws_ecs_task_definition", "address": "task", "mode": "managed", "values": {"container_definitions": text}}
        plan = {"variables": {"application": {"value": {"image": "i"} if asked else None}}, "planned_values": {"root_module": {"resources": [task] if containers else []}}}
        return "; ".join(check.tasks_secrets(plan, self.OUTPUTS))

    def test_tasks_have_the_secrets_of_the_applications_users(self):
        self.assertEqual(self.told(self.WANTED), "")
        self.assertEqual(self.told(asked=False), "")
        for wrong in (self.WANTED | {"DATABASE_CREDENTIALS": "arn:of-the-master"}, {}, self.WANTED | {"MASTER": "arn:of-the-master"}):
            self.assertIn("the secrets of app are", self.told(self.WANTED, wrong), wrong)

    def test_an_application_that_is_asked_for_has_tasks(self):
        self.assertIn("0 task definitions, where an application is asked for", self.told())
        self.assertIn("1 task definitions, where an application is not asked for", self.told(self.WANTED, asked=False))


if __name__ == "__main__":
    unittest.main()
