"""The compose files, checked as far as that goes without Docker.

Run by `make compose`.
"""

import pathlib
import re
import unittest

import yaml

DEPLOY = pathlib.Path(__file__).resolve().parents[1]
TOP = DEPLOY.parent
SERVICES = {"ingest", "fan-out", "delivery", "log-writer", "admin"}
# What the broker's configuration reads, which is no service of ours.
OF_THE_BROKER = re.compile(r"\$(POSTHORN_[A-Z0-9_]+)")
REFERENCE = re.compile(r"\$\{([A-Z0-9_]+)(:?[-?][^}]*)?")


def loaded(name):
    return yaml.safe_load((DEPLOY / name).read_text())


def merged(*names):
    """What compose makes of several files, as far as these use it: mappings grow together, and so do volumes."""
    whole = {}
    for name in names:
        for service, said in loaded(name)["services"].items():
            known = whole.setdefault(service, {})
            for key, value in said.items():
                if isinstance(value, dict) and isinstance(known.get(key), dict):
                    known[key] = {**known[key], **value}
                elif key == "volumes":
                    known[key] = known.get(key, []) + value
                else:
                    known[key] = value
    return whole


def known_variables():
    text = (TOP / "shared" / "config" / "src" / "variable.rs").read_text()
    return {f"POSTHORN_{name}" for name in re.findall(r'"([A-Z0-9_]+)"', text)}


ONE = merged("compose.yaml")
THREE = merged("compose.yaml", "cluster/compose.yaml")


class Compose(unittest.TestCase):
    def test_all_that_a_new_user_wants_to_see_is_there(self):
        self.assertLessEqual(
            SERVICES | {"nats", "postgres", "topology", "sample-organisation", "receiver", "prometheus", "grafana", "jaeger", "otel-collector"}, set(ONE)
        )
        self.assertEqual({name for name in THREE if name.startswith("nats")}, {"nats", "nats-2", "nats-3"})

    def test_images_say_which_version_they_are(self):
        for name, service in THREE.items():
            if "build" not in service:
                self.assertRegex(service["image"], r":v?\d+\.?[\w.-]*$", name)

    def test_binaries_accept_every_variable(self):
        known = known_variables()
        for name, service in THREE.items():
            for variable in service.get("environment", {}):
                if variable.startswith("POSTHORN_") and not name.startswith("nats"):
                    self.assertIn(variable, known, name)

    def test_brokers_get_every_variable_that_their_configuration_reads(self):
        for services, conf in [(ONE, "nats.conf"), (THREE, "cluster/nats.conf")]:
            text = "".join(
                re.sub(r"(?m)#.*$", "", (DEPLOY / name).read_text()) for name in [conf, "nats-accounts.conf"]
            )
            wanted = set(OF_THE_BROKER.findall(text))
            for name, service in services.items():
                if name.startswith("nats"):
                    self.assertEqual({key for key in service["environment"] if key in wanted}, wanted, name)
                    self.assertTrue(any(volume.startswith(f"./{conf}:") for volume in service["volumes"]), name)

    def test_each_service_has_its_own_user_on_every_broker(self):
        users = set(re.findall(r"user: ([a-z-]+),? ", (DEPLOY / "nats-accounts.conf").read_text()))
        for name in SERVICES:
            self.assertIn(name, users)
            self.assertTrue(THREE[name]["environment"]["POSTHORN_NATS_URL"].startswith(f"nats://{name}:$"), name)
            hosts = re.findall(r"[@,]([a-z0-9-]+):4222", THREE[name]["environment"]["POSTHORN_NATS_URL"])
            self.assertEqual(hosts, ["nats", "nats-2", "nats-3"], name)

    def test_commands_files_and_dependencies_exist(self):
        dockerfile = (DEPLOY / "Dockerfile").read_text()
        for name, service in THREE.items():
            if "build" in service:
                [program] = re.findall(r"^(?:sh -c )?([a-z-]+)", " ".join(service["command"]))
                self.assertRegex(dockerfile, rf"for name in [^;]*\b{program}[ ;]", name)
            for volume in service.get("volumes", []):
                source = volume.split(":")[0]
                if source.startswith("."):
                    self.assertTrue((DEPLOY / source).exists(), volume)
            for needed in service.get("depends_on", []):
                self.assertIn(needed, THREE, name)

    def test_what_must_be_set_is_said_where_it_is_missing(self):
        """A reference without a default is checked where the same variable is read first."""
        for name in ["compose.yaml", "cluster/compose.yaml"]:
            checked = set()
            for variable, rule in REFERENCE.findall((DEPLOY / name).read_text()):
                if rule.startswith(":?"):
                    self.assertGreater(len(rule), len(":?set"), variable)
                    checked.add(variable)
            bare = {variable for variable, rule in REFERENCE.findall((DEPLOY / name).read_text()) if not rule}
            self.assertLessEqual(bare, checked, name)


if __name__ == "__main__":
    unittest.main()
