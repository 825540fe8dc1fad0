"""`python -m demo` with scenes of the tests' own: exit codes, and what it says about them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from demo import scenes
from demo.__main__ import main

WriteScene = Callable[[str, str], None]


@pytest.fixture
def write_scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WriteScene:
    """A function that adds a scene: its file name, and the body of its `play`."""
    monkeypatch.setattr(scenes, "__path__", [str(tmp_path)])

    def write(name: str, body: str) -> None:
        (tmp_path / f"{name}.py").write_text(f'"""A scene of a test."""\n\ndef play(stage):\n    {body}\n')

    return write


def test_true_checks_are_ticked_and_the_exit_code_is_0(
    write_scene: WriteScene, capsys: pytest.CaptureFixture[str]
):
    write_scene("true_scene", 'stage.checks.equal("the sky is blue", expected="blue", found="blue")')
    assert main(["--scene", "true-scene"]) == 0
    assert "✓ the sky is blue" in capsys.readouterr().out


def test_a_false_check_is_crossed_with_both_values_and_named_and_the_exit_code_is_1(
    write_scene: WriteScene, capsys: pytest.CaptureFixture[str]
):
    write_scene("false_scene", 'stage.checks.equal("the sky is blue", expected=["blue"], found=["grey"])')
    assert main(["--scene", "false-scene"]) == 1
    output = capsys.readouterr()
    lines = [line.strip() for line in output.out.splitlines()]
    at = lines.index("✗ the sky is blue")
    assert lines[at + 1 : at + 5] == ["expected:", "blue", "found:", "grey"]
    assert "all" not in output.out.split("✗")[1]
    assert output.err == "The scene false-scene failed: not so: the sky is blue\n"


def test_all_plays_every_scene_and_fails_if_one_does(
    write_scene: WriteScene, capsys: pytest.CaptureFixture[str]
):
    write_scene("first_fails", 'stage.checks.equal("one is two", expected=2, found=1)')
    write_scene("then_holds", 'stage.checks.equal("one is one", expected=1, found=1)')
    assert main(["--scene", "all"]) == 1
    output = capsys.readouterr()
    assert "✓ one is one" in output.out
    assert "first-fails" in output.err
    assert "then-holds" not in output.err


def test_an_unknown_scene_is_refused_with_the_names_of_those_that_are_there(
    write_scene: WriteScene, capsys: pytest.CaptureFixture[str]
):
    write_scene("one_scene", "pass")
    write_scene("other_scene", "pass")
    assert main(["--scene", "admin-portz"]) == 2
    error = capsys.readouterr().err
    assert "no scene 'admin-portz'" in error
    assert "one-scene, other-scene" in error


def test_missing_binaries_are_named_with_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["--scene", "admin-ports", "--binaries", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "config-compliance" in error
    assert "cargo build" in error
