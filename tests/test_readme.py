"""What the README shows is what happens."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_example_runs():
    (example,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(example.strip().splitlines()) <= 12
    # Fewer texts, so that it takes seconds; everything else as printed.
    names = {}
    exec(example.replace("stories.texts", "stories.texts[:100]"), names)
    assert names["codes"].shape[1] == 512


def test_links_lead_somewhere():
    for target in re.findall(r"\]\((?!http)(.*?)\)", README):
        assert (ROOT / target).exists(), target


def test_the_two_commands_are_those_of_ci():
    test_command = re.search(r'^python3 -m venv .*\[test\]".*pytest$', README, re.MULTILINE)[0]
    assert test_command in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
