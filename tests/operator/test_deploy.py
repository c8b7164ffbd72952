"""What is shipped beside the program: alert rules, systemd unit, container, package data."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from prometheus_client import generate_latest

from oracles.companion import metrics as companion
from oracles.operator.metrics import Metrics
from oracles.operator.settings import Exchange
from scripts.build import ROOT

if TYPE_CHECKING:
    from pathlib import Path

DEPLOY = ROOT / "deploy"
GROUPS = {
    group["name"]: group["rules"]
    for group in yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]
}
RULES = GROUPS["qmia-operator"]
PROVIDER_RULES = GROUPS["qmia-provider"]


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=DEPLOY)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def tool(name: str) -> str:
    if path := shutil.which(name):
        return path
    pytest.skip(f"{name} is not installed")


def exported() -> set[str]:
    """Names of the daemon's metrics."""
    text = generate_latest(Metrics().registry).decode()
    text += generate_latest(companion.Metrics().registry).decode()
    return set(re.findall(r"^# TYPE (\S+)", text, flags=re.M))


def asked(expression: str) -> set[str]:
    """Names of metrics in a PromQL expression."""
    return set(re.findall(r"\bqmia\w+", expression))


@pytest.mark.parametrize("rule", RULES + PROVIDER_RULES, ids=lambda rule: rule["alert"])
def test_alerts__each__is_about_metrics_that_the_daemon_exports(rule: dict[str, Any]) -> None:
    names = asked(rule["expr"]) - {"qmia"}
    assert names <= exported()
    assert names or rule["expr"].startswith("up{")


def test_dashboard__shows_what_the_alerts_are_about__and_nothing_that_does_not_exist() -> None:
    panels = json.loads((DEPLOY / "dashboard.json").read_text())["panels"]
    shown = set().union(*(asked(each["expr"]) for panel in panels for each in panel["targets"]))
    assert shown <= exported()
    assert shown >= set().union(*(asked(rule["expr"]) for rule in RULES)) - {"qmia"}
    assert len({panel["id"] for panel in panels}) == len(panels)


@pytest.mark.parametrize(
    ("rules", "page", "word"),
    [
        (RULES, "operators.md", "QmiaOperator"),
        (PROVIDER_RULES, "providers.md", "QmiaProvider"),
    ],
)
def test_alerts__all__are_explained_to_whom_they_concern(
    rules: list[dict[str, Any]], page: str, word: str
) -> None:
    text = (ROOT / "docs" / page).read_text()
    assert {rule["alert"] for rule in rules} == set(re.findall(rf"\b{word}\w+", text))
    for rule in rules:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]


def test_alerts__by_their_own_tests__fire_when_they_should() -> None:
    promtool = tool("promtool")
    run(promtool, "check", "rules", "alerts.yml")
    run(promtool, "test", "rules", "alerts.test.yml")


@pytest.mark.parametrize("name", ["qmia-operator.service", "qmia-provider.service"])
def test_unit__verified_by_systemd__has_no_faults(tmp_path: Path, name: str) -> None:
    analyze = tool("systemd-analyze")
    unit = tmp_path / name
    # The program is not installed here; another one stands in its place.
    there = shutil.which("true")
    text = (DEPLOY / name).read_text()
    unit.write_text(re.sub(r"^(ExecStart\w*)=\S+", rf"\1={there}", text, flags=re.M))
    assert run(analyze, "verify", str(unit)) == ""


def test_container__is_not_root_and_serves_where_it_says() -> None:
    text = re.sub(r"\\\n", " ", (DEPLOY / "Dockerfile").read_text())
    final = text.rpartition("\nFROM ")[2]
    instructions = dict(re.findall(r"^(USER|EXPOSE|ENV|ENTRYPOINT)\s+(.*)$", final, flags=re.M))
    assert int(instructions["USER"]) > 0
    port = Exchange().listen.rpartition(":")[2]
    assert instructions["EXPOSE"] == port
    # Loopback of a container is reached by nobody.
    assert f"QMIA_EXCHANGE__LISTEN=0.0.0.0:{port}" in instructions["ENV"]
    assert f"127.0.0.1:{port}/livez" in final
    if hadolint := shutil.which("hadolint"):
        run(hadolint, "Dockerfile")


def test_package__files_that_are_not_python__are_installed_too() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    shipped = project["tool"]["setuptools"]["package-data"]
    patterns = [
        f"{package.replace('.', '/')}/{file}" for package in shipped for file in shipped[package]
    ]
    others = [
        path.relative_to(ROOT)
        for path in (ROOT / "oracles").rglob("*.*")
        if path.is_file() and path.suffix not in (".py", ".pyc") and path.name != "py.typed"
    ]
    assert others
    assert [path for path in others if not any(path.match(pattern) for pattern in patterns)] == []
