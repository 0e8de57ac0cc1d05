"""The chart, rendered by helm for several installations and checked as Kubernetes and the binaries would.

Run by `make chart`, which provides helm and the schemas of Kubernetes.
"""

import functools
import os
import pathlib
import re
import subprocess
import sys
import unittest

import kubernetes_validate
import yaml

TOP = pathlib.Path(__file__).resolve().parents[2]
CHART = TOP / "helm" / "posthorn"
CASES = TOP / "helm" / "tests" / "cases"
HELM = pathlib.Path(sys.executable).parent / "helm"
# The oldest that is still maintained somewhere, and the newest that the validator knows.
KUBERNETES = ["1.29", "1.33", kubernetes_validate.latest_version().rsplit(".", 1)[0]]
# Kinds that others define; the validator has no schemas of theirs.
FOREIGN = {"ScaledObject", "ServiceMonitor", "PrometheusRule"}
SERVICES = ["ingest", "fan-out", "delivery", "log-writer", "admin"]
# Variables that are for tools and tests, and those of `posthorn dev` alone.
OF_THE_COMMAND_LINE = {"POSTHORN_ORGANISATION", "POSTHORN_SIGNING_SECRET", "POSTHORN_TOKEN", "POSTHORN_URL"}
# The users of deploy/nats-accounts.conf; pods have their logins in POSTHORN_NATS_URL or a credentials file.
OF_THE_BROKER = {f"POSTHORN_NATS_{user}PASSWORD" for user in ["", "ACME_", "ADMIN_", "DELIVERY_", "FAN_OUT_", "INGEST_", "LOG_WRITER_", "SETUP_"]}
NOT_FOR_PODS = {"POSTHORN_NATS_SERVER", "POSTHORN_PG_BIN", "POSTHORN_PG_PASSWORD"} | OF_THE_COMMAND_LINE | OF_THE_BROKER
DRAIN_MARGIN_S = 5


def helm(*arguments):
    return subprocess.run([HELM, *arguments], capture_output=True, text=True, env={**os.environ, "HOME": "/nonexistent"})


@functools.cache
def rendered(case):
    done = helm("template", "release", CHART, "--namespace", "webhooks", "--values", CASES / f"{case}.yaml")
    if done.returncode != 0:
        raise AssertionError(f"{case}: {done.stderr}")
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def of_kind(case, kind):
    return [document for document in rendered(case) if document["kind"] == kind]


def pods(case):
    """Every pod template with the name of its owner."""
    for document in rendered(case):
        template = document.get("spec", {}).get("template")
        if template and "spec" in template:
            yield document["metadata"]["name"], template["spec"]


def long_running(case):
    """Pod templates but those of jobs."""
    jobs = {document["metadata"]["name"] for document in of_kind(case, "Job")}
    return [(owner, pod) for owner, pod in pods(case) if owner not in jobs]


def variables(case):
    """Every variable of every container: who, name, and where it comes from."""
    maps = {document["metadata"]["name"]: document.get("data", {}) for document in of_kind(case, "ConfigMap")}
    for owner, pod in pods(case):
        for container in pod.get("initContainers", []) + pod["containers"]:
            for source in container.get("envFrom", []):
                for name, value in maps[source["configMapRef"]["name"]].items():
                    yield owner, name, {"value": value}
            for entry in container.get("env", []):
                yield owner, entry["name"], entry


def known_variables():
    text = (TOP / "shared" / "config" / "src" / "variable.rs").read_text()
    listed = re.search(r"pub\(crate\) const ALL: &\[&str\] = &\[(.*?)\];", text, re.DOTALL).group(1)
    return {f"POSTHORN_{name}" for name in re.findall(r'"([A-Z0-9_]+)"', listed)}


ALL_CASES = sorted(path.stem for path in CASES.glob("*.yaml"))


class Chart(unittest.TestCase):
    def test_lint(self):
        for case in ALL_CASES:
            done = helm("lint", "--strict", CHART, "--values", CASES / f"{case}.yaml")
            self.assertEqual(done.returncode, 0, f"{case}: {done.stdout}{done.stderr}")

    def test_kubernetes_takes_every_object(self):
        for case in ALL_CASES:
            for document in rendered(case):
                if document["kind"] in FOREIGN:
                    continue
                for version in KUBERNETES:
                    with self.subTest(case=case, version=version, kind=document["kind"], name=document["metadata"]["name"]):
                        kubernetes_validate.validate(document, version, strict=True)

    def test_what_has_no_default_is_asked_for(self):
        for values, named in [
            ([], "existingSecret"),
            (["existingSecret=x", "ingress.enabled=true"], "ingress.host"),
            (["existingSecret=x", "keda.enabled=true", "services.delivery.autoscaling.enabled=true"], "keda.monitoringEndpoint"),
            (["existingSecret=x", "streamReplicas=2"], "streamReplicas"),
            (["existingSecret=x", "egres.allowHttp=true"], "egres"),
            (["existingSecret=x", "shutdownGraceSeconds=90"], "shutdownGraceSeconds"),
        ]:
            sets = [argument for value in values for argument in ("--set", value)]
            done = helm("template", "release", CHART, *sets)
            self.assertNotEqual(done.returncode, 0, values)
            self.assertIn(named, done.stderr)

    def test_names_are_unique(self):
        for case in ALL_CASES:
            names = [(document["kind"], document["metadata"]["name"]) for document in rendered(case)]
            self.assertEqual(len(names), len(set(names)), names)

    def test_binaries_accept_every_variable(self):
        known = known_variables()
        self.assertGreater(len(known), 20)
        for case in ALL_CASES:
            for owner, name, _ in variables(case):
                if name.startswith("POSTHORN_"):
                    self.assertIn(name, known, f"{case}: {owner}")

    def test_every_setting_can_be_set(self):
        settable = {name for case in ALL_CASES for _, name, _ in variables(case)}
        # One that is read from a file is the same setting as the one that holds the text.
        wanted = {name for name in known_variables() if not name.endswith("_FILE")} - NOT_FOR_PODS
        self.assertEqual(wanted - settable, set())

    def test_no_secret_is_in_a_config_map_or_in_the_clear(self):
        secret = re.compile(r"SECRET|(?<!PER_)TOKEN|PASSWORD|STORE_URL|_KEY$|PROXY$")
        for case in ALL_CASES:
            for owner, name, entry in variables(case):
                if secret.search(name):
                    self.assertIn("secretKeyRef", entry.get("valueFrom", {}), f"{case}: {owner} {name}")
            self.assertEqual(of_kind(case, "Secret"), [])

    def test_telemetry_is_sent_where_it_is_wanted_and_alerts_are_the_tested_ones(self):
        names = {name: entry for _, name, entry in variables("production") if name.startswith("OTEL_")}
        self.assertEqual(names["OTEL_EXPORTER_OTLP_ENDPOINT"]["value"], "https://otel.example.com:4317")
        self.assertEqual(names["OTEL_BSP_MAX_QUEUE_SIZE"]["value"], "8192")
        self.assertIn("secretKeyRef", names["OTEL_EXPORTER_OTLP_HEADERS"]["valueFrom"])
        self.assertFalse([name for _, name, _ in variables("defaults") if name.startswith("OTEL_")])
        source = (TOP / "shared" / "config" / "src" / "section" / "telemetry.rs").read_text()
        for name in names:
            parts = [name, name.removeprefix("OTEL_EXPORTER_OTLP_"), name.replace("TRACES_EXPORTER", "").replace("METRICS_EXPORTER", "")]
            self.assertTrue(any(f'"{part}"' in source or part == "OTEL_" for part in parts), name)
        [rule] = of_kind("production", "PrometheusRule")
        tested = yaml.safe_load((TOP / "deploy" / "prometheus" / "posthorn.rules.yaml").read_text())
        self.assertEqual(rule["spec"], tested)

    def test_pods_are_restricted(self):
        for case in ALL_CASES:
            owners = list(pods(case))
            self.assertTrue(owners)
            for owner, pod in owners:
                self.assertTrue(pod["securityContext"]["runAsNonRoot"], owner)
                self.assertGreater(pod["securityContext"]["runAsUser"], 0, owner)
                self.assertEqual(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", owner)
                self.assertFalse(pod["automountServiceAccountToken"], owner)
                self.assertFalse(pod["enableServiceLinks"], owner)
                for container in pod.get("initContainers", []) + pod["containers"]:
                    security = container["securityContext"]
                    self.assertTrue(security["readOnlyRootFilesystem"], owner)
                    self.assertFalse(security["allowPrivilegeEscalation"], owner)
                    self.assertEqual(security["capabilities"], {"drop": ["ALL"]}, owner)
                    self.assertIn("memory", container["resources"]["limits"], owner)
                    self.assertIn("cpu", container["resources"]["requests"], owner)

    def test_pods_may_drain(self):
        for case in ALL_CASES:
            graces = {name: int(entry["value"]) for _, name, entry in variables(case) if name == "POSTHORN_SHUTDOWN_GRACE_S"}
            for owner, pod in pods(case):
                self.assertGreaterEqual(
                    pod["terminationGracePeriodSeconds"], graces["POSTHORN_SHUTDOWN_GRACE_S"] + DRAIN_MARGIN_S, owner
                )

    def test_each_service_has_its_deployment_and_probes(self):
        for case in ["defaults", "production"]:
            commands = {pod["containers"][0]["command"][0] for _, pod in long_running(case)}
            self.assertEqual(commands, {f"posthorn-{service}" for service in SERVICES})
            for owner, pod in long_running(case):
                container = pod["containers"][0]
                self.assertEqual(container["readinessProbe"]["httpGet"]["path"], "/ready", owner)
                self.assertEqual(container["livenessProbe"]["httpGet"]["path"], "/live", owner)

    def test_secrets_go_only_to_services_that_use_them(self):
        holders = {}
        for owner, name, entry in variables("production"):
            if "secretKeyRef" in entry.get("valueFrom", {}):
                holders.setdefault(name, set()).add(owner.removeprefix("release-posthorn-"))
        self.assertEqual(holders["POSTHORN_SECRETS_KEY"], {"admin", "delivery"})
        self.assertEqual(holders["POSTHORN_STORE_URL"], {"admin", "log-writer", "setup-1"})
        self.assertEqual(holders["POSTHORN_OPERATOR_TOKEN"], {"admin"})

    def test_a_job_makes_the_topology_and_the_schema_before_services_need_them(self):
        for case in ["defaults", "production"]:
            [job] = of_kind(case, "Job")
            pod = job["spec"]["template"]["spec"]
            commands = [container["command"] for container in pod["initContainers"] + pod["containers"]]
            self.assertEqual(commands, [["posthorn", "topology", "apply"], ["posthorn", "migrate", "--wait", "5m"]])
        self.assertEqual(of_kind("minimal", "Job"), [])

    def test_each_pod_has_its_own_user_on_the_broker(self):
        users = set(re.findall(r"user: ([a-z-]+),? ", (TOP / "deploy" / "nats-accounts.conf").read_text()))
        keys = set()
        for owner, pod in pods("production"):
            [volume] = [volume for volume in pod["volumes"] if volume["name"] == "credentials"]
            [item] = volume["secret"]["items"]
            keys.add(item["key"])
            self.assertIn(item["key"].removesuffix(".creds"), owner)
        self.assertEqual(keys, {f"{user}.creds" for user in users - {"acme"}})

    def test_a_scaled_service_leaves_its_replicas_to_the_scaler(self):
        scaled = {}
        for kind in ["ScaledObject", "HorizontalPodAutoscaler"]:
            for document in of_kind("production", kind):
                scaled[document["spec"]["scaleTargetRef"]["name"]] = kind
        self.assertEqual(
            scaled,
            {
                "release-posthorn-ingest": "HorizontalPodAutoscaler",
                "release-posthorn-fan-out": "ScaledObject",
                "release-posthorn-delivery": "ScaledObject",
                "release-posthorn-log-writer": "ScaledObject",
            },
        )
        for document in of_kind("production", "Deployment"):
            self.assertEqual("replicas" in document["spec"], document["metadata"]["name"] not in scaled)

    def test_scalers_watch_consumers_that_exist(self):
        source = (TOP / "shared" / "jetstream" / "src" / "subject.rs").read_text()
        for document in of_kind("production", "ScaledObject"):
            for trigger in document["spec"]["triggers"]:
                self.assertIn(f'"{trigger["metadata"]["consumer"]}"', source)
                self.assertRegex(trigger["metadata"]["stream"], r"^production_[A-Z]+$")
                self.assertIn(f'"{trigger["metadata"]["stream"].removeprefix("production_")}"', source)
                self.assertEqual(trigger["metadata"]["account"], "POSTHORN")
        accounts = (TOP / "deploy" / "nats-accounts.conf").read_text()
        self.assertRegex(accounts, r"(?m)^    POSTHORN \{\n        jetstream: enabled$")

    def test_evictions_leave_a_pod_of_every_service(self):
        for case in ["defaults", "production"]:
            budgets = {document["metadata"]["name"]: document["spec"] for document in of_kind(case, "PodDisruptionBudget")}
            self.assertEqual(set(budgets), {f"release-posthorn-{service}" for service in SERVICES})
            for spec in budgets.values():
                self.assertEqual(spec["maxUnavailable"], 1)

    def test_only_delivery_may_reach_the_internet(self):
        for policy in of_kind("production", "NetworkPolicy"):
            blocks = [
                peer["ipBlock"]
                for rule in policy["spec"]["egress"]
                for peer in rule.get("to", [])
                if peer.get("ipBlock", {}).get("cidr") == "0.0.0.0/0"
            ]
            is_delivery = policy["metadata"]["name"].endswith("-delivery")
            self.assertEqual(len(blocks), 1 if is_delivery else 0, policy["metadata"]["name"])
            for block in blocks:
                self.assertIn("169.254.0.0/16", block["except"])

    def test_events_go_to_ingest_and_the_rest_to_admin(self):
        [ingress] = of_kind("production", "Ingress")
        paths = {
            path["path"]: path["backend"]["service"]["name"].removeprefix("release-posthorn-")
            for path in ingress["spec"]["rules"][0]["http"]["paths"]
        }
        self.assertEqual(paths, {"/api/v2/events": "ingest", "/api/v2/admin/events/custom": "ingest", "/": "admin"})

    def test_the_smallest_installation_is_one_pod(self):
        self.assertEqual(of_kind("minimal", "Deployment"), [])
        [only] = of_kind("minimal", "StatefulSet")
        self.assertEqual(only["spec"]["replicas"], 1)
        self.assertEqual([container["name"] for container in only["spec"]["template"]["spec"]["containers"]], ["posthorn", "nats"])


if __name__ == "__main__":
    unittest.main()
