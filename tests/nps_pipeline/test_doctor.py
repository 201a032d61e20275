"""Doctor: everything that stands in the way of a run, at once, each with its remedy, and nothing changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nps_pipeline import project
from nps_pipeline.doctor import Finding, examine
from nps_pipeline.home import Home
from sandbox.serve import Sandbox

Examined = Callable[[str], dict[str, Finding]]


@pytest.fixture
def examined(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Examined:
    def look(configuration: str = "version: 1\n") -> dict[str, Finding]:
        (tmp_path / "nps.yaml").write_text(configuration, encoding="utf-8")
        monkeypatch.setenv("NPS_HOME", str(home.root))
        monkeypatch.setenv("NPS_CONFIG", str(tmp_path / "nps.yaml"))
        return {finding.subject: finding for finding in examine()}

    return look


def test_a_home_to_be_is_well_and_not_made(home: Home, examined: Examined) -> None:
    findings = examined("version: 1\n")

    assert [finding.subject for finding in findings.values() if finding.problem] == []
    assert "`nps run` makes the first" in findings["publication"].detail
    assert not home.root.exists()


def test_every_crm_that_refuses_or_lacks_credentials_is_named_at_once(
    examined: Examined, crms: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in crms.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HUBSPOT_ACCESS_TOKEN", "pat-of-nobody")
    monkeypatch.setenv("ZENDESK_TOKEN", "token-of-nobody")
    monkeypatch.delenv("SALESFORCE_SECURITY_TOKEN")

    findings = examined("version: 1\nsources: {hubspot: {}, salesforce: {}, zendesk: {}}\n")

    told = {name: findings[name].problem or "" for name in ("hubspot", "salesforce", "zendesk")}
    assert "HubSpot refused the credentials" in told["hubspot"]
    assert "SALESFORCE_SECURITY_TOKEN must be set" in told["salesforce"]
    assert "Zendesk does not know these credentials" in told["zendesk"]
    assert "nobody" not in str(findings)


def test_crms_that_accept_the_credentials_are_well(
    examined: Examined, crms: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in crms.environment.items():
        monkeypatch.setenv(name, value)

    findings = examined("version: 1\nsources: {hubspot: {}, salesforce: {}, zendesk: {}}\n")

    assert [finding for finding in findings.values() if finding.problem] == []
    assert findings["salesforce"].detail == "Salesforce accepts the credentials"


def test_a_crm_without_credentials_is_no_problem_unless_it_is_required(examined: Examined) -> None:
    findings = examined("version: 1\nsources: {hubspot: {}, zendesk: {required: true}}\n")

    assert findings["hubspot"].problem is None
    assert "set HUBSPOT_ACCESS_TOKEN" in findings["hubspot"].detail
    assert (findings["zendesk"].problem or "").startswith("Zendesk is required: no credentials")


def test_a_damaged_ledger_is_a_finding(home: Home, examined: Examined) -> None:
    home.root.mkdir()
    home.ledger.write_bytes(b"no database" * 100)

    assert "ledger.sqlite" in (examined("version: 1\n")["ledger"].problem or "")


def test_every_mistake_of_the_settings_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nps.yaml").write_text("version: 2\nreporting: {min_n: none}\nsurces: {}\n", encoding="utf-8")
    monkeypatch.setenv("NPS_CONFIG", str(tmp_path / "nps.yaml"))
    monkeypatch.setenv("NPS_HOMES", "somewhere")

    expected = {
        "version": "must be 1",
        "reporting.min_n": "whole number",
        "surces": "sources?",
        "NPS_HOMES": "NPS_HOME?",
    }
    problems = [finding.problem or "" for finding in examine()]
    assert len(problems) == len(expected)
    for problem, (where, remedy) in zip(problems, expected.items(), strict=True):
        assert where in problem
        assert remedy in problem


def test_every_damage_of_the_state_is_told_at_once(
    home: Home, examined: Examined, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = home.landing / "files" / "shop" / "00000001-x"
    load.mkdir(parents=True)
    (home.publish / "publications" / "gone").mkdir(parents=True)
    (home.publish / "current").symlink_to(Path("publications") / "gone")
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "house.yaml").write_text("suite: house\nexpectations: []\n", encoding="utf-8")
    monkeypatch.setattr(project, "DBT", Path("/bin/false"))
    monkeypatch.setattr(project, "dbt_hash", lambda: "changed")

    findings = examined("version: 1\ngate: {suites: rules}\n")
    problems = {subject: finding.problem for subject, finding in findings.items() if finding.problem}

    assert set(problems) == {"landing", "publication", "suites", "dbt project"}
    assert str(load) in problems["landing"]
    assert "Restore this directory" in problems["landing"]
    assert "`nps run` publishes again" in problems["publication"]
    assert f"{Path('rules', 'house.yaml')} cannot be used: expectations" in problems["suites"]
    assert str(project.DBT_PROJECT) in problems["dbt project"]


def test_files_that_wait_are_counted(home: Home, examined: Examined) -> None:
    home.inbox.mkdir(parents=True)
    for name in ("a.csv", "b.csv", ".hidden"):
        (home.inbox / name).touch()

    assert examined("version: 1\n")["inbox"].detail.endswith("2 files wait for the next run")


def test_a_home_that_is_no_directory_is_a_problem(home: Home, examined: Examined) -> None:
    home.root.touch()

    assert f"{home.root} is no writable directory" in (examined("version: 1\n")["home"].problem or "")
